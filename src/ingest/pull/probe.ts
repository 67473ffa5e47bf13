import { goesInCircles, type PullProbe, readVia, VIA_NAME } from '../../live/index.ts';
import { type AudioTrack, type Packet, toMs, type VideoTrack } from '../../media/index.ts';
import type { MakeSource, Source, SourceContext, SourceEnd } from './source.ts';
import { LOOP, TIMEOUT } from './source-end.ts';

/** How long a look may take, and what it waits for after the first frame, where there may be more to come: sound, or a picture. */
const MAX_MS = 9000;
const COMPLETE_MS = 2000;
/** So much of the picture tells its frame rate. */
const PICTURE_MS = 1000;

/** Connects to a source, looks at its first frames, and goes. Never rejects; its error is what a pull's would be. */
export async function probe(
  makeSource: MakeSource,
  url: string,
  liveStreamId: string,
  context: SourceContext,
): Promise<PullProbe> {
  let video: VideoTrack | null = null;
  let audio: AudioTrack | null = null;
  let [frames, firstMs, lastMs] = [0, 0, 0];
  const unsupported = new Set<string>();
  let source: Source | null = null;
  const timers: NodeJS.Timeout[] = [];
  const error = await new Promise<SourceEnd | null>((resolve) => {
    const finish = () => resolve(video || audio ? null : TIMEOUT);
    const take = (packet: Packet): void => {
      const { track, dts } = packet;
      if (!video && !audio) timers.push(setTimeout(finish, COMPLETE_MS));
      if (track.kind === 'audio') audio = track;
      else if (video || packet.key) {
        video = track;
        lastMs = toMs(dts, track.timescale);
        if (frames++ === 0) firstMs = lastMs;
      }
      if (video && (audio || unsupported.size > 0) && lastMs - firstMs >= PICTURE_MS) finish();
    };
    timers.push(setTimeout(finish, MAX_MS));
    source = makeSource(
      url,
      {
        packet: take,
        progress: () => {},
        unsupported: (_, codec) => void unsupported.add(codec),
        metadata: (values) => {
          if (goesInCircles(readVia(values[VIA_NAME]), liveStreamId)) resolve(LOOP);
        },
        // One that is over already has shown what it is.
        ended: (end) => resolve(end.code === 'source_ended' && (video || audio) ? null : end),
      },
      context,
    );
    source.start();
  });
  for (const timer of timers) clearTimeout(timer);
  source!.close();
  const { protocol } = source!;
  return { error, protocol, video, audio, frameRate: rate(frames, lastMs - firstMs), unsupported: [...unsupported] };
}

const rate = (frames: number, ms: number): number | null =>
  frames > 2 && ms > 0 ? Math.round(((frames - 1) * 100_000) / ms) / 100 : null;
