// MPEG transport streams (ISO 13818-1) as HLS and plain HTTP carry them: H.264 and AAC in ADTS become packets. Bytes in, packets
// out, no I/O. Called by ingest/pull; calls base, media and formats/flv (audio clock, notices). Nothing starts or stops.
export { PackedAudioDemuxer } from './packed-audio.ts';
export { TsDemuxer } from './ts-demuxer.ts';
