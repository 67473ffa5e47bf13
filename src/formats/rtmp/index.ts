// RTMP without I/O: bytes in, callbacks out (Adobe RTMP 1.0). `ServerSession` is the accepting end of one connection,
// `ClientSession` the publishing and `PlaySession` the playing end; all are made of the handshake, ChunkReader and ChunkWriter.
// Called by ingest, egress and the demo; calls base, formats/amf and formats/flv. A session starts with its first
// bytes and holds nothing that needs closing: sockets, deadlines and authorisation are the caller's.
export { ChunkReader, type MessageHandler } from './chunk-reader.ts';
export { ChunkWriter, SHARED_CHUNK_BYTES, withStreamId, writeMessage } from './chunk-writer.ts';
export { type ClientEvents, type ClientOptions, ClientSession, type ClientState } from './client-session.ts';
export { extractKey, type StreamKey } from './extract-key.ts';
export { AUTHORISED_LIMITS, type ChunkLimits, UNAUTHORISED_LIMITS } from './limits.ts';
export { ChunkStreamId, MessageType } from './message-type.ts';
export { type PlayEnd, type PlayEvents, type PlayOptions, PlaySession } from './play-session.ts';
export {
  type PlayRequest,
  type PublishRequest,
  type ServerEvents,
  type ServerOptions,
  ServerSession,
  type SessionState,
} from './server-session.ts';
export { statusCode } from './status-code.ts';
