import { isConfiguration } from '../flv/index.ts';

/**
 * An audio or video message's body as its receiver may keep it: a configuration is kept for as long as the stream lives, and must
 * not keep the memory of a hundred frames with it.
 */
export function mediaBody(kind: 'audio' | 'video', body: Buffer): Buffer {
  if (!isConfiguration(kind, body)) return body;
  const own = Buffer.allocUnsafeSlow(body.length);
  body.copy(own);
  return own;
}
