import {
  type MediaPlaylist,
  type MultivariantPlaylist,
  parseMediaPlaylist,
  parseMultivariant,
  type Variant,
} from '../../formats/m3u8/index.ts';
import { SourceFailure } from './hls-fetch.ts';

/** Some hours of segments. Each line costs, and a live playlist is read again and again. */
const MAX_LINES = 25_000;
/** In seconds: what it is waited for goes by it, so it is not believed beyond. */
const MAX_TARGET_DURATION = 60;
/** More is for screens that no live stream of ours feeds. */
const MAX_BANDWIDTH = 30_000_000;
/** What we neither need nor want to fail over. */
const UNUSED = /^#EXT-X-(?:PROGRAM-DATE-TIME|RENDITION-REPORT|DATERANGE|VERSION|INDEPENDENT-SEGMENTS|SKIP)\b/;
/** May stand once; some servers write it with every segment. */
const ONCE = /^#EXT-X-(?:TARGETDURATION|MEDIA-SEQUENCE|DISCONTINUITY-SEQUENCE|SERVER-CONTROL|PART-INF|ENDLIST)\b/;

/**
 * A playlist as somebody wrote it, read with patience: byte order marks, stray blanks, tags given twice and dates that are none are
 * passed over (G12).
 * @throws SourceFailure bad_answer
 */
export function readPlaylist(body: Buffer): MediaPlaylist | MultivariantPlaylist {
  const text = tidy(linesOf(body.toString('utf8')));
  try {
    return /^#EXT-X-STREAM-INF:/m.test(text) ? parseMultivariant(text) : parseMediaPlaylist(text);
  } catch (error) {
    throw new SourceFailure({
      code: 'bad_answer',
      // The reason quotes what was read.
      message: text.startsWith('#EXTM3U')
        ? `The source sends a playlist that cannot be read${reasonOf(error)}.`
        : 'The source answers with what is no playlist.',
      permanent: false,
    });
  }
}

/** The tag that is wrong, without what stands in it. */
function reasonOf(error: unknown): string {
  const tag = /EXT[A-Z0-9-]+/.exec((error as Error).message)?.[0];
  return tag ? `: look at ${tag}` : '';
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/, MAX_LINES + 1);
  if (lines.length <= MAX_LINES) return lines;
  throw new SourceFailure({
    code: 'bad_answer',
    message: `The source sends a playlist of more than ${MAX_LINES} lines.`,
    permanent: false,
  });
}

function tidy(lines: readonly string[]): string {
  const seen = new Set<string>();
  const kept: string[] = [];
  for (const raw of lines) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed here
    let line = raw.replace(/[\u0000-\u001f\u007f-\u009f\ufeff]/g, '').trim();
    if (line === '' || UNUSED.test(line)) continue;
    const once = ONCE.exec(line)?.[0];
    if (once && seen.has(once)) continue;
    if (once) seen.add(once);
    if (line.startsWith('#EXTINF:')) line = `#EXTINF:${extinf(line.slice(8))},`;
    else if (line.startsWith('#EXT-X-TARGETDURATION:'))
      // Some round half a second down to none.
      line = `#EXT-X-TARGETDURATION:${Math.min(MAX_TARGET_DURATION, Math.max(1, Math.ceil(Number.parseFloat(line.slice(22)))))}`;
    kept.push(line);
  }
  return kept.join('\n');
}

/** Durations that are none (`-1` of endless radio streams) count as nothing. */
function extinf(value: string): string {
  const seconds = Number.parseFloat(value);
  return (seconds > 0 && seconds < 3600 ? seconds : 0).toFixed(6);
}

export const isMultivariant = (playlist: MediaPlaylist | MultivariantPlaylist): playlist is MultivariantPlaylist =>
  'variants' in playlist;

/** What to play of a multivariant playlist. */
export interface Choice {
  readonly uri: string;
  /** Where the sound comes apart from the picture. */
  readonly audioUri: string | null;
}

/**
 * The best variant with H.264 and AAC, of those whose peak stays below a limit; else the smallest. One with a picture goes before one
 * without. @throws SourceFailure media_unsupported when there is none
 */
export function chooseVariant({ variants, audio = [] }: MultivariantPlaylist): Choice {
  const ranked = variants
    .filter((variant) => codecsOf(variant).every(isCarried))
    .sort((a, b) => rank(b) - rank(a) || b.bandwidth - a.bandwidth);
  const best = ranked.find(({ bandwidth }) => bandwidth <= MAX_BANDWIDTH) ?? ranked.at(-1);
  if (!best) {
    const codecs = [...new Set(variants.flatMap(codecsOf))].map((codec) => /^[a-z0-9-]{1,8}/i.exec(codec)?.[0] ?? '?');
    throw new SourceFailure({
      code: 'media_unsupported',
      message: `The source sends ${codecs.join(', ')}: it needs a variant with H.264 video and AAC sound.`,
      permanent: true,
    });
  }
  const group = audio.filter(({ groupId }) => groupId === best.audio);
  const sound = group.find(({ isDefault }) => isDefault) ?? group.find(({ autoselect }) => autoselect) ?? group[0];
  return { uri: best.uri, audioUri: sound && sound.uri !== best.uri ? sound.uri : null };
}

const codecsOf = ({ codecs }: Variant): string[] => codecs.split(',').flatMap((codec) => codec.trim() || []);

/** Subtitles in a variant are not fetched, so they do not matter. */
const isCarried = (codec: string): boolean => /^(?:avc[13]|mp4a\.(?:40|66|67|68)|stpp|wvtt)\b/i.test(codec);

/** With a picture, as far as is said. */
function rank(variant: Variant): number {
  const codecs = codecsOf(variant);
  if (codecs.length === 0) return variant.width ? 2 : 1;
  return codecs.some((codec) => codec.startsWith('avc')) ? 2 : 0;
}
