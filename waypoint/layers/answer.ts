/** Makes an answer of whatever went wrong further in. */
import { HttpError, type HttpResponse } from '../../core/http/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { reply, replyOfError } from '../reply.ts';
import { EndpointDenial } from '../upstream/endpoint-denial.ts';
import { type AuthorizeParts, denied } from './authorize.ts';

export type AnswerParts = AuthorizeParts & {
  /** Told of what no layer foresaw: the caller gets 500, never the reason. */
  readonly onBug: (error: unknown) => void;
};

export function answerErrors(parts: AnswerParts): Layer {
  return (next) => async (x) => {
    try {
      const response = await next(x);
      if (x.denial === undefined) return response;
      response.body.cancel(); // it was cut while the answer was on its way through us
      return deny(parts, x, x.denial);
    } catch (error) {
      if (x.denial !== undefined) return deny(parts, x, x.denial);
      if (error instanceof EndpointDenial) return passOn(parts, x, error);
      if (error instanceof HttpError) {
        if (error.kind === 'connect-failed') x.failure = error.message;
        return reply(x, replyOfError(error));
      }
      parts.onBug(error);
      return reply(x, { status: 500, details: 'internal_error' });
    }
  };
}

function deny(parts: AnswerParts, x: Exchange, { detail }: HttpError): HttpResponse {
  return denied(x, parts, detail, x.flags);
}

/** The receipt is the one that the endpoint's node keeps: it knows why. */
function passOn(parts: AnswerParts, x: Exchange, { message, receipt, detail }: EndpointDenial): HttpResponse {
  x.because = message;
  x.receipt = receipt ?? parts.watch.denied(x, message);
  return denied(x, parts, detail);
}
