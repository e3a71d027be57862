/*
 * The load, for a fixed time or number of connections; one line of JSON at the end.
 *
 *   client HOST PORT stream SECONDS CONNECTIONS   writes as fast as it may; the port is a sink
 *   client HOST PORT rr     SECONDS CONNECTIONS   100 bytes there and back again and again on open connections
 *   client HOST PORT crr    SECONDS CONNECTIONS   the same on a new connection each time
 *   client HOST PORT hold   0       CONNECTIONS   opens them, says so, keeps them until its standard input ends
 *
 * Latencies go into a histogram with 64 buckets for each doubling: constant memory, error below 2 %.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 100, WRITE_BYTES = 256 * 1024, SUB_BUCKETS = 64, BUCKETS = SUB_BUCKETS * 40, MAX_THREADS = 256 };

struct worker { long count, failed; unsigned histogram[BUCKETS]; };

static struct sockaddr_in server;
static double until;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Nanoseconds to a bucket: exact below 64, then 64 buckets for each doubling. */
static int bucket_of(long ns) {
  int shift = 0;
  while (ns >> shift >= 2 * SUB_BUCKETS) shift++;
  int bucket = shift * SUB_BUCKETS + (int)(ns >> shift);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double value_of(int bucket) {
  if (bucket < 2 * SUB_BUCKETS) return bucket;
  int shift = bucket / SUB_BUCKETS - 1;
  return (double)((long)(bucket - shift * SUB_BUCKETS) << shift);
}

static void note(struct worker *w, double began) {
  w->histogram[bucket_of((long)((now() - began) * 1e9))]++;
  w->count++;
}

static int dial(void) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0) {
    close(fd);
    return -1;
  }
  struct timeval patience = {.tv_sec = 10};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static int ask(int fd) {
  char message[MESSAGE_BYTES] = {7};
  if (write(fd, message, sizeof message) != MESSAGE_BYTES) return -1;
  for (ssize_t got = 0; got < MESSAGE_BYTES;) {
    ssize_t n = read(fd, message, (size_t)(MESSAGE_BYTES - got));
    if (n <= 0) return -1;
    got += n;
  }
  return 0;
}

static void *stream(void *arg) {
  struct worker *w = arg;
  static char bytes[WRITE_BYTES];
  char answer;
  int fd = dial();
  if (fd < 0) return w->failed++, NULL;
  while (now() < until) {
    ssize_t n = write(fd, bytes, sizeof bytes);
    if (n <= 0) break;
    w->count += n;
  }
  shutdown(fd, SHUT_WR);
  if (read(fd, &answer, 1) != 1) w->failed++;
  close(fd);
  return NULL;
}

static void *rr(void *arg) {
  struct worker *w = arg;
  int fd = dial();
  if (fd < 0) return w->failed++, NULL;
  for (double t = now(); t < until; t = now()) {
    if (ask(fd) != 0) {
      w->failed++;
      break;
    }
    note(w, t);
  }
  close(fd);
  return NULL;
}

static void *crr(void *arg) {
  struct worker *w = arg;
  for (double t = now(); t < until; t = now()) {
    int fd = dial();
    if (fd < 0 || ask(fd) != 0) w->failed++;
    else note(w, t);
    if (fd >= 0) close(fd);
  }
  return NULL;
}

static int hold(int connections) {
  struct rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  int failed = 0;
  for (int i = 0; i < connections; i++) { /* the descriptors are closed by the end of the process */
    int fd = dial();
    if (fd < 0 || ask(fd) != 0) failed++;
  }
  printf("{\"count\":%d,\"failed\":%d}\n", connections, failed);
  fflush(stdout);
  for (char c; read(0, &c, 1) > 0;) {
  }
  return 0;
}

static double quantile(const struct worker *all, double q) {
  double wanted = (double)all->count * q, seen = 0;
  for (int i = 0; i < BUCKETS; i++)
    if ((seen += all->histogram[i]) > wanted) return value_of(i) / 1000;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  signal(SIGPIPE, SIG_IGN);
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) return 2;
  const char *mode = argv[3];
  int connections = atoi(argv[5]);
  if (strcmp(mode, "hold") == 0) return hold(connections);
  if (connections < 1 || connections > MAX_THREADS) return 2;
  void *(*work)(void *) = strcmp(mode, "stream") == 0 ? stream : strcmp(mode, "rr") == 0 ? rr : crr;
  struct worker *workers = calloc((size_t)connections, sizeof *workers), all = {0};
  pthread_t threads[MAX_THREADS];
  double began = now();
  until = began + atof(argv[4]);
  for (int i = 0; i < connections; i++)
    if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) return 1;
  for (int i = 0; i < connections; i++) {
    pthread_join(threads[i], NULL);
    all.count += workers[i].count;
    all.failed += workers[i].failed;
    for (int b = 0; b < BUCKETS; b++) all.histogram[b] += workers[i].histogram[b];
  }
  printf("{\"count\":%ld,\"failed\":%ld,\"seconds\":%.6f,\"p50\":%.2f,\"p99\":%.2f}\n", all.count, all.failed,
         now() - began, quantile(&all, 0.5), quantile(&all, 0.99));
  return 0;
}
