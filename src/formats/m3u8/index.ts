// HLS playlists (RFC 8216bis) as objects and as text: renderers for the origin, parsers for tests, the conformance checks and
// pulls. Pure functions, no I/O. Called by origin and ingest/pull; calls nothing.
export type {
  AudioRendition,
  ByteRange,
  MediaPlaylist,
  MediaSegment,
  MultivariantPlaylist,
  PlaylistPart,
  RenditionReport,
  SegmentKey,
  ServerControl,
  Variant,
} from './model.ts';
export { parseMediaPlaylist } from './parse-media.ts';
export { parseMultivariant } from './parse-multivariant.ts';
export {
  type RenderOptions,
  renderAround,
  renderMap,
  renderMediaPlaylist,
  renderSegments,
  skippableSegments,
} from './render-media.ts';
export { renderMultivariant } from './render-multivariant.ts';
