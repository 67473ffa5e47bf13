// Fragmented MP4 (ISO 14496-12, 14496-14, 14496-15) as HLS wants it: initialization segments and parts.
// The packager writes, tests read what it wrote, ingest/pull demuxes what others wrote. Calls base, media and formats/flv (audio
// clock, notices); bytes and packets in, bytes and objects out.
export { type Box, readBoxes } from './box-reader.ts';
export { Fmp4Demuxer } from './demuxer.ts';
export {
  AUDIO_TRACK_ID,
  FLAGS_DELTA,
  FLAGS_KEY,
  type InitTrack,
  type InitTracks,
  readInit,
  VIDEO_TRACK_ID,
  writeInit,
} from './init.ts';
export {
  type PartContent,
  type PartFragment,
  type PartSample,
  type PartSamples,
  type PartTrack,
  readParts,
  writePart,
} from './part.ts';
