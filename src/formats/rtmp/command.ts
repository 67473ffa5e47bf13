import { CodedError } from '../../base/index.ts';
import { Amf0Reader, type AmfInput, type AmfValue, encodeAmf0 } from '../amf/index.ts';
import type { ChunkWriter } from './chunk-writer.ts';
import { ChunkStreamId, MessageType } from './message-type.ts';

/** A command as it came: its arguments are read one by one by whoever knows them. */
export interface Command {
  readonly name: string;
  readonly transactionId: number;
  readonly streamId: number;
  /** After name and transaction id: the command object, then the arguments. */
  readonly rest: Amf0Reader;
}

/** Reads what all commands begin with. Throws CodedError('rtmp_protocol'). */
export function readCommand(type: number, streamId: number, body: Buffer): Command {
  const rest = readerFor(type, body);
  const name = rest.read();
  if (typeof name !== 'string') throw new CodedError('rtmp_protocol', 'a command without a name');
  const transactionId = rest.read();
  return { name, transactionId: typeof transactionId === 'number' ? transactionId : 0, streamId, rest };
}

/**
 * The object of an onMetaData message, also behind @setDataFrame; null for other data messages and for what cannot be read:
 * nothing depends on metadata, and encoders send odd things here.
 */
export function readMetadata(type: number, body: Buffer): { [key: string]: AmfValue } | null {
  try {
    const reader = readerFor(type, body);
    let name = reader.read();
    if (name === '@setDataFrame') name = reader.read();
    if (name !== 'onMetaData') return null;
    const value = reader.read();
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof CodedError) return null;
    throw error;
  }
}

/** Puts a command of AMF0 values into the writer. */
export function writeCommand(writer: ChunkWriter, streamId: number, ...values: AmfInput[]): void {
  const chunkStream = streamId === 0 ? ChunkStreamId.command : ChunkStreamId.stream;
  writer.message(chunkStream, MessageType.commandAmf0, streamId, 0, encodeAmf0(...values));
}

/** Whether an AMF value has members by name: an object or an ECMA array. */
export function isObject(value: AmfValue): value is { [key: string]: AmfValue } {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !Buffer.isBuffer(value)
  );
}

/** AMF3 messages are AMF0 with AMF3 values inside, after one byte 0 that some senders forget. */
function readerFor(type: number, body: Buffer): Amf0Reader {
  const amf3 = type === MessageType.commandAmf3 || type === MessageType.dataAmf3;
  return new Amf0Reader(body, amf3 && body[0] === 0 ? 1 : 0);
}
