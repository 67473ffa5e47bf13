import { type PartSamples, writePart } from '../formats/fmp4/index.ts';

/** Writes one part in both renditions. Each of the two has the same sequence number, and audio alone is written once. */
export function writeRenditions(
  sequence: number,
  video: PartSamples | null,
  audio: PartSamples | null,
  allocate?: (bytes: number) => Buffer,
): { main: Buffer; audio: Buffer | null } {
  const sound = audio && writePart({ sequence, video: null, audio }, allocate);
  if (!video) return { main: sound!, audio: sound };
  // A track that has nothing here is left out beside the other one, but no part is without any track.
  const silent = !audio || audio.packets.length === 0;
  const content = {
    sequence,
    video: silent || video.packets.length > 0 ? video : null,
    audio: silent ? null : audio,
  };
  const main = writePart(content, allocate);
  return { main, audio: sound };
}
