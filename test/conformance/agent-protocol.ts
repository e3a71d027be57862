import type { Target } from './ask.ts';
import type { Answer, Asked, GrpcAnswer } from './echo.ts';

export type AgentRequest = {
  readonly id: number;
  readonly to: Target;
  /** Or the method of gRPC. */
  readonly path: string;
  readonly asked: Asked;
  readonly isGrpc: boolean;
};

export type AgentReply = {
  readonly id: number;
  readonly answer?: Answer | GrpcAnswer;
  readonly error?: string;
};
