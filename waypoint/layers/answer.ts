/** Makes an answer of whatever went wrong further in. */
import { HttpError } from '../../core/http/index.ts';
import type { Layer } from '../exchange.ts';
import { reply, replyOfError } from '../reply.ts';

/** `onBug` is told of what no layer foresaw: the caller gets 500, never the reason. */
export function answerErrors(onBug: (error: unknown) => void): Layer {
  return (next) => async (x) => {
    try {
      return await next(x);
    } catch (error) {
      if (error instanceof HttpError) return reply(x, replyOfError(error));
      onBug(error);
      return reply(x, { status: 500, details: 'internal_error' });
    }
  };
}
