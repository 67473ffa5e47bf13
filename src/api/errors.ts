import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, type ErrorCode, monotonicMs } from '../base/index.ts';
import type { ErrorAnswer } from '../contract/index.ts';

/** The HTTP status of each error that a caller may cause or meet. What is missing here is ours: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  bad_request: 400,
  destination_refused: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  not_implemented: 501,
  store_unavailable: 503,
};

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Answers any error in the contract's shape. What is our own fault goes to the log and is not shown. */
export function sendError(error: FastifyError | CodedError, request: FastifyRequest, reply: FastifyReply): void {
  const statusCode = statusOf(error);
  // A page of ours shows its own form: the header would make the browser open its own.
  const ofPage = request.headers['sec-fetch-site'] !== undefined && request.headers['sec-fetch-mode'] !== 'navigate';
  if (statusCode === 401 && !ofPage) reply.header('www-authenticate', 'Basic realm="LiveAPI", charset="UTF-8"');
  if (statusCode === 503) reply.header('retry-after', '1');
  if (statusCode === 503) warnOfStore(error, request);
  else if (statusCode >= 500 && statusCode !== 501) request.log.error({ err: error }, 'api: request failed');
  const message = messageOf(error, statusCode, request.id);
  const answer: ErrorAnswer = { statusCode, error: STATUS_CODES[statusCode] ?? 'Error', message };
  reply.code(statusCode).send(answer);
}

const WARN_EVERY_MS = 1000;
let warnedMs = -WARN_EVERY_MS;
let unsaid = 0;

/** One line a second: while the database is away every request ends here. */
function warnOfStore(error: Error, request: FastifyRequest): void {
  const now = monotonicMs();
  if (now - warnedMs < WARN_EVERY_MS) return void unsaid++;
  request.log.warn({ reason: error.message, requestsBefore: unsaid }, 'api: store unavailable');
  warnedMs = now;
  unsaid = 0;
}

function statusOf(error: FastifyError | CodedError): number {
  if (error instanceof CodedError) return STATUS[error.code] ?? 500;
  // The framework's own refusals (body too large, malformed JSON) carry a status; whatever else is thrown does not.
  const { statusCode = 500 } = error;
  return statusCode >= 400 && statusCode < 500 ? statusCode : 500;
}

function messageOf(error: Error, statusCode: number, requestId: string): string {
  if (statusCode === 503) return 'The server cannot do this for now. Try again in a moment.';
  if (statusCode >= 500 && statusCode !== 501)
    return `An error on the server's side. Its log says more under ${requestId}.`;
  if (statusCode === 413) return 'The body is too large: 256 KiB are allowed.';
  return error.message;
}

export function notFound(request: FastifyRequest): never {
  throw new CodedError(
    'not_found',
    `There is nothing at ${request.method} ${request.url.split('?', 1)[0]!.slice(0, 200)}: /reference lists all that there is.`,
  );
}

/** Answers every other method on `url` with 405 and the list of those that it has. */
export function allowOnly(app: FastifyInstance, url: string, methods: readonly string[], options = {}): void {
  const allow = (methods.includes('GET') ? [...methods, 'HEAD'] : methods).join(', ');
  app.route({
    ...options,
    schema: { hide: true },
    method: METHODS.filter((method) => !methods.includes(method)),
    url,
    handler: async (request, reply) => {
      reply.header('allow', allow);
      throw new CodedError('method_not_allowed', `${request.method} is not possible here; ${allow} are.`);
    },
  });
}
