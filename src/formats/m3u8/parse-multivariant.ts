import { integer, parseAttributes } from './attributes.ts';
import { lines } from './lines.ts';
import type { AudioRendition, MultivariantPlaylist, Variant } from './model.ts';

/**
 * Reads a Multivariant Playlist's variants and audio renditions. Unknown tags are ignored. Throws an Error that says what is wrong, among it a media
 * tag, a variant without URI or without BANDWIDTH.
 */
export function parseMultivariant(text: string): MultivariantPlaylist {
  const variants: Variant[] = [];
  const audio: AudioRendition[] = [];
  let version = 1;
  let independentSegments = false;
  let attributes: Map<string, string> | null = null;
  for (const { tag, value } of lines(text)) {
    if (attributes && tag !== null) throw new Error('EXT-X-STREAM-INF is not followed by its URI');
    if (tag === 'EXT-X-VERSION') version = integer(value, tag);
    else if (tag === 'EXT-X-INDEPENDENT-SEGMENTS') independentSegments = true;
    else if (tag === 'EXT-X-STREAM-INF') attributes = parseAttributes(value);
    else if (tag === 'EXT-X-MEDIA') audio.push(...toRenditions(parseAttributes(value)));
    else if (tag === 'EXTINF' || tag === 'EXT-X-TARGETDURATION') throw new Error(`${tag} in a multivariant playlist`);
    else if (tag === null) {
      if (!attributes) throw new Error(`no EXT-X-STREAM-INF before ${value}`);
      variants.push(toVariant(value, attributes));
      attributes = null;
    }
  }
  if (attributes) throw new Error('EXT-X-STREAM-INF is not followed by its URI');
  return { version, independentSegments, variants, ...(audio.length > 0 && { audio }) };
}

function toVariant(uri: string, attributes: Map<string, string>): Variant {
  const bandwidth = integer(attributes.get('BANDWIDTH'), 'BANDWIDTH');
  const average = attributes.get('AVERAGE-BANDWIDTH');
  const size = /^(\d+)x(\d+)$/.exec(attributes.get('RESOLUTION') ?? '');
  const frameRate = attributes.get('FRAME-RATE');
  const audio = attributes.get('AUDIO');
  return {
    uri,
    bandwidth,
    averageBandwidth: average === undefined ? bandwidth : integer(average, 'AVERAGE-BANDWIDTH'),
    codecs: attributes.get('CODECS') ?? '',
    ...(size && { width: Number(size[1]), height: Number(size[2]) }),
    ...(frameRate !== undefined && { frameRate: Number(frameRate) }),
    ...(audio !== undefined && { audio }),
  };
}

function toRenditions(attributes: Map<string, string>): AudioRendition[] {
  if (attributes.get('TYPE') !== 'AUDIO') return [];
  const rendition = {
    groupId: attributes.get('GROUP-ID') ?? '',
    name: attributes.get('NAME') ?? '',
    uri: attributes.get('URI') ?? null,
    isDefault: attributes.get('DEFAULT') === 'YES',
    autoselect: attributes.get('AUTOSELECT') === 'YES',
  };
  return [rendition];
}
