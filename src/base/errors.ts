/**
 * The closed list of errors that somebody branches on. Only the API edge turns a code into an HTTP status, only the RTMP edge
 * into a NetStream code.
 */
export type ErrorCode =
  | 'config_invalid' // a key, a value or a combination of settings
  | 'port_in_use'
  | 'data_dir_unusable'
  | 'store_unavailable'
  | 'secret_unreadable' // sealed with a key that we do not have
  | 'unauthorized'
  | 'forbidden' // known, but the role or the kind of credential may not do this
  | 'not_found'
  | 'bad_request'
  | 'conflict' // the resource is not in a state for this, or the name is taken
  | 'too_many_requests'
  | 'not_implemented' // a part of the contract whose feature is not here yet
  | 'destination_refused' // the outbound guard does not connect there
  | 'destination_unreachable' // it may, but no connection or no whole answer came
  | 'payload_too_large'
  | 'method_not_allowed'
  | 'unsupported_media_type'
  | 'rtmp_protocol' // what a peer sent breaks the protocol or a limit
  | 'media_invalid' // a codec configuration or a frame that cannot be read
  | 'internal';

/** An error with a stable code, and a message that says what was wrong and what to do about it. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CodedError';
    this.code = code;
  }
}
