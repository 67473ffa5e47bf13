// AMF0 and AMF3, the value encodings of RTMP commands and metadata (Adobe "AMF 0" and "AMF 3" specifications).
// Called by formats/rtmp and whoever reads or writes metadata; calls base only. Everything is written as AMF0 and both are
// read. What is read came from a stranger: limits hold, and bad input throws CodedError('rtmp_protocol') and nothing else.
export { Amf0Reader, decodeAmf0 } from './amf0-reader.ts';
export { encodeAmf0 } from './amf0-writer.ts';
export type { AmfInput, AmfObject, AmfValue } from './value.ts';
