// FLV: the tag bodies that RTMP carries as audio and video messages, and FLV files (Adobe FLV 10.1 annex E; Enhanced RTMP v2).
// Called by ingest, egress, the demo and formats/rtmp; calls base and media only. Bytes in, objects out; nothing starts or stops.
export { AudioClock } from './audio-clock.ts';
export { FlvReader, type FlvTag } from './flv-reader.ts';
export {
  type AudioCodec,
  isConfiguration,
  type MediaTag,
  parseAudioTag,
  parseVideoTag,
  type TagKind,
  type VideoCodec,
} from './media-tag.ts';
export { type Notices, ToPackets } from './to-packets.ts';
export { writeAudioTag, writeFlvHeader, writeFlvTag, writeOpusTag, writeVideoTag } from './writer.ts';
