/** The two halves of an ingest key: `lv_<32 hex>?password=<8 hex>`, or 32 hex digits (`stream_password_bits`). */
export interface StreamKey {
  /** Public: it also names the playback. */
  readonly playbackId: string;
  readonly password: string;
}

const PLAYBACK_ID = /(?<![0-9A-Za-z])(?:lv|live)_[0-9a-f]{32}(?![0-9A-Za-z])/;
const PASSWORD = /[?&]password=([0-9A-Za-z_-]{1,64})/;

/**
 * Finds the key wherever encoders put it: in the stream name, in the app, in the path or the query of tcUrl, or split
 * between them, as it is or percent-encoded. Both halves are empty when there is no playback id.
 */
export function extractKey(from: {
  readonly app: string;
  readonly tcUrl: string;
  readonly streamName: string;
}): StreamKey {
  const places = [from.streamName, from.app, from.tcUrl].map(decodePercents);
  const first = (pattern: RegExp, group: number): string => {
    for (const place of places) {
      const match = pattern.exec(place);
      if (match !== null) return match[group]!;
    }
    return '';
  };
  const playbackId = first(PLAYBACK_ID, 0);
  return { playbackId, password: playbackId === '' ? '' : first(PASSWORD, 1) };
}

/** Only ASCII, and never throwing, unlike decodeURIComponent. */
function decodePercents(text: string): string {
  return text.replace(/%([0-7][0-9A-Fa-f])/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
