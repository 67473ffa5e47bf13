import { crc32, deflateRawSync, constants as zlib } from 'node:zlib';
import { renderMap, renderSegments } from '../formats/m3u8/index.ts';
import type { LiveWindow, PastBlock } from '../segments/index.ts';
import { pastSegments } from './playlist-model.ts';

/** Lines that stand in many playlists: rendered once, compressed once. */
export interface Piece {
  readonly text: Buffer;
  readonly deflated: Buffer;
}

/** A block's lines. */
class BlockPiece implements Piece {
  readonly text: Buffer;
  /** URI of the EXT-X-MAP in force at its end. */
  readonly mapAfter: string | null;
  /** What it takes for granted when it stands first; null where it names the map itself. */
  readonly mapMissing: string | null;
  #deflated: Buffer | null = null;

  constructor(window: LiveWindow, rendition: 'main' | 'audio', block: PastBlock, mapBefore: string | null) {
    const segments = pastSegments(window, rendition, block);
    const first = segments[0]!;
    this.text = Buffer.from(renderSegments(segments, mapBefore), 'latin1');
    this.mapAfter = segments.at(-1)!.map;
    this.mapMissing = first.map === mapBefore && !first.discontinuity ? first.map : null;
  }

  get deflated(): Buffer {
    return (this.#deflated ??= deflatePiece(this.text));
  }
}

/** The past of one rendition as pieces, one for each full block. */
export class PlaylistPieces {
  readonly #pieces = new WeakMap<PastBlock, BlockPiece>();

  /** Of `blocks`, in their order, and the map in force behind them. */
  of(
    window: LiveWindow,
    rendition: 'main' | 'audio',
    blocks: readonly PastBlock[],
  ): { readonly pieces: Piece[]; readonly map: string | null } {
    const pieces: Piece[] = [];
    let map: string | null = null;
    for (const block of blocks) {
      let piece = this.#pieces.get(block);
      if (!piece) this.#pieces.set(block, (piece = new BlockPiece(window, rendition, block, map)));
      if (pieces.length === 0 && piece.mapMissing) pieces.push(textPiece(renderMap(piece.mapMissing)));
      pieces.push(piece);
      map = piece.mapAfter;
    }
    return { pieces, map };
  }
}

/** How many of the past's blocks need not be looked at for what changes: they are full, and older than a delta update goes back. */
export function settledBlocks(window: LiveWindow): number {
  const { past } = window;
  if (past.length === 0) return 0;
  // A segment more than CAN-SKIP-UNTIL, as it is set in playlist-model.ts.
  const wantedUs = 7e6 * window.targetDurationS;
  let us = window.listed().reduce((sum, { durationUs }) => sum + durationUs, 0);
  let settled = past.length;
  while (settled > 0 && (us < wantedUs || !past[settled - 1]!.full)) us += past[--settled]!.durationUs;
  return settled;
}

const textPiece = (text: string): Piece => {
  const bytes = Buffer.from(text, 'latin1');
  return { text: bytes, deflated: deflatePiece(bytes) };
};

/** Ends on a whole byte and refers to nothing before it (RFC 1951), so pieces are joined as they are. */
const deflatePiece = (text: Buffer): Buffer => deflateRawSync(text, { finishFlush: zlib.Z_FULL_FLUSH });

const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** One gzip member (RFC 1952) of all that stands one after the other: what is settled is not compressed again. */
export function gzipOf(head: string, pieces: readonly Piece[], tail: string): Buffer {
  const first = Buffer.from(head, 'latin1');
  const last = Buffer.from(tail, 'latin1');
  let crc = crc32(first);
  let length = first.length + last.length;
  for (const { text } of pieces) {
    crc = crc32(text, crc);
    length += text.length;
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(last, crc), 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  const deflated = pieces.map((piece) => piece.deflated);
  return Buffer.concat([GZIP_HEADER, deflatePiece(first), ...deflated, deflateRawSync(last), trailer]);
}
