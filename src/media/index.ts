// Words for media: the one Packet that every room speaks, tracks, and codec configurations read and checked.
// Pure functions on bytes. Called by whoever makes packets (ingest, pull) and by whoever writes them (packager, egress, formats).
export { type AacConfig, parseAacConfig, sameAacConfig } from './aac.ts';
export {
  type AvcConfig,
  avcConfigFromFrame,
  hasIdr,
  parseAvcConfig,
  sameAvcConfig,
  toLengthPrefixed,
  x264KeyframeInterval,
} from './avc.ts';
export { forEachAnnexBNal, NAL_IDR, NAL_PPS, NAL_SPS } from './nal.ts';
export { type OpusConfig, opusSamples, parseOpusConfig, sameOpusConfig } from './opus.ts';
export {
  type AacTrack,
  type AudioTrack,
  type OpusTrack,
  type Packet,
  type Track,
  toMs,
  type VideoTrack,
} from './packet.ts';
