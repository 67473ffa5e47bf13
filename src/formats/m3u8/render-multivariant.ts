import { quoted } from './attributes.ts';
import type { MultivariantPlaylist } from './model.ts';

/** The playlist's text, ending with a newline. */
export function renderMultivariant(playlist: MultivariantPlaylist): string {
  let text = `#EXTM3U\n#EXT-X-VERSION:${playlist.version}\n`;
  if (playlist.independentSegments) text += '#EXT-X-INDEPENDENT-SEGMENTS\n';
  for (const variant of playlist.variants) {
    text += `#EXT-X-STREAM-INF:BANDWIDTH=${variant.bandwidth},AVERAGE-BANDWIDTH=${variant.averageBandwidth}`;
    text += `,CODECS=${quoted(variant.codecs)}`;
    if (variant.width && variant.height) text += `,RESOLUTION=${variant.width}x${variant.height}`;
    if (variant.frameRate) text += `,FRAME-RATE=${variant.frameRate.toFixed(3)}`;
    text += `\n${variant.uri}\n`;
  }
  return text;
}
