import { CodedError } from '../../base/index.ts';
import type { MessageHandler } from './chunk-reader.ts';
import { MessageType } from './message-type.ts';

const TAG_HEADER = 11;
const BACK_POINTER = 4;

/**
 * Takes an aggregate message (RTMP 1.0 section 7.1.6) apart into the FLV tags that it holds. Their times are moved so that
 * the first has the aggregate's. Throws CodedError('rtmp_protocol') for lengths past the end and for nested aggregates.
 */
export function splitAggregate(timestamp: number, streamId: number, body: Buffer, onMessage: MessageHandler): void {
  let shift: number | null = null;
  for (let offset = 0; body.length - offset >= TAG_HEADER; ) {
    const type = body[offset]!;
    const length = body.readUIntBE(offset + 1, 3);
    const time = (body.readUIntBE(offset + 4, 3) | (body[offset + 7]! << 24)) >>> 0;
    const start = offset + TAG_HEADER;
    if (length > body.length - start) {
      throw new CodedError('rtmp_protocol', `aggregate message: ${length} bytes claimed, ${body.length - start} left`);
    }
    if (type === MessageType.aggregate) throw new CodedError('rtmp_protocol', 'aggregate message inside another');
    shift ??= timestamp - time;
    onMessage(type, (time + shift) >>> 0, streamId, body.subarray(start, start + length));
    offset = start + length + BACK_POINTER;
  }
}
