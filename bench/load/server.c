/*
 * The measured server: one thread for each connection, so that it is never what limits a proxy.
 *
 *   server SINK_PORT ECHO_PORT
 *
 * The sink port reads all and answers one byte at the end of the stream: the client then knows that everything arrived.
 * The echo port sends back what comes. Prints "ready" once both listen; ends with its standard input.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, SMALL_BYTES = 4096, STACK_BYTES = 64 * 1024, BACKLOG = 4096 };

static pthread_attr_t small_thread;

static void *sink(void *arg) {
  int fd = (int)(long)arg;
  char *buffer = malloc(READ_BYTES);
  ssize_t got = -1;
  if (buffer != NULL)
    while ((got = read(fd, buffer, READ_BYTES)) > 0) {
    }
  if (got == 0 && write(fd, "k", 1) != 1) perror("server: sink answer");
  free(buffer);
  close(fd);
  return NULL;
}

static void *echo(void *arg) {
  int fd = (int)(long)arg;
  char buffer[SMALL_BYTES];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    for (ssize_t sent = 0; sent < got;) {
      ssize_t n = write(fd, buffer + sent, (size_t)(got - sent));
      if (n <= 0) goto done;
      sent += n;
    }
done:
  close(fd);
  return NULL;
}

static int listen_on(int port) {
  int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0) {
    perror("server: listen");
    exit(1);
  }
  return fd;
}

struct service { int listener; void *(*serve)(void *); };

static void *accept_all(void *arg) {
  struct service *service = arg;
  for (;;) {
    int on = 1, fd = accept(service->listener, NULL, NULL);
    pthread_t thread;
    if (fd < 0) continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (pthread_create(&thread, &small_thread, service->serve, (void *)(long)fd) != 0) close(fd);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  signal(SIGPIPE, SIG_IGN);
  pthread_attr_init(&small_thread);
  pthread_attr_setdetachstate(&small_thread, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&small_thread, STACK_BYTES);
  struct service services[2] = {{listen_on(atoi(argv[1])), sink}, {listen_on(atoi(argv[2])), echo}};
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, accept_all, &services[i]) != 0) return 1;
  }
  puts("ready");
  fflush(stdout);
  for (char c; read(0, &c, 1) > 0;) {
  }
  return 0;
}
