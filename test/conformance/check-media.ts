import { type Fragment, hasIdr } from './boxes.ts';
import { check, must, NotApplicable } from './check.ts';
import { decodingErrors } from './decoders.ts';
import { byRun, type Evidence, type RenditionEvidence, type SegmentEvidence, samplesOf } from './evidence.ts';
import { compareFrames, type Received } from './frames.ts';

const MAX_SAMPLE_S = 10;

const hasVideo = ({ segments }: RenditionEvidence): boolean =>
  segments.some(({ init }) => init.some(({ kind }) => kind === 'video'));

/** The samples of one kind over a run, in its timescale; null when the run has no such track. */
export function received(run: readonly SegmentEvidence[], kind: 'video' | 'audio'): Received | null {
  const track = run[0]?.init.find((candidate) => candidate.kind === kind);
  return track
    ? { timescale: track.timescale, samples: run.flatMap(({ fragments, init }) => samplesOf(fragments, init, kind)) }
    : null;
}

function compareRuns(evidence: Evidence) {
  const runs = byRun(evidence.main.segments);
  must(runs.length === evidence.sent!.length, `${evidence.sent!.length} runs sent, ${runs.length} received`);
  return runs.map((run, index) =>
    compareFrames(evidence.sent![index]!, { video: received(run, 'video'), audio: received(run, 'audio') }),
  );
}

/** Every part of every rendition, in order. */
function eachFragment(
  evidence: Evidence,
  look: (fragment: Fragment, segment: SegmentEvidence, name: string) => void,
): void {
  for (const { segments, name } of evidence.all)
    for (const segment of segments) for (const fragment of segment.fragments) look(fragment, segment, name);
}

/** Initialization segments, segments and parts, down to the coded frames. */
export const mediaChecks = [
  check('H58', 'init: ftyp, moov, a trex for each track, no samples, no edits; ffprobe reads it', async ({ all }) => {
    for (const { inits, segments, name } of all) {
      must(inits.size > 0, `${name}: no init`);
      for (const [url, { tracks, bytes }] of inits) {
        must(tracks.length > 0, `${url} has no track`);
        for (const track of tracks)
          must(
            track.defaults && !track.hasEdits && track.sampleCount === 0,
            `${url}: ${JSON.stringify({ ...track, config: undefined })}`,
          );
        const first = segments.find(({ listed }) => listed.map && url.endsWith(listed.map));
        const errors = await decodingErrors([bytes, first!.bytes!]);
        must(errors === '', `${url}: ${errors}`);
      }
    }
  }),
  check('H59', "avcC and esds are the publisher's configuration, in the sample entry", ({ all, sent }) => {
    for (const { segments, name } of all) {
      for (const run of byRun(segments)) {
        for (const track of run[0]!.init) {
          must(track.sampleEntry === (track.kind === 'video' ? 'avc1' : 'mp4a'), `${name}: ${track.sampleEntry}`);
          const wanted = track.kind === 'video' ? sent?.[run[0]!.run]?.avcConfig : sent?.[run[0]!.run]?.aacConfig;
          if (sent)
            must(
              wanted?.equals(track.config),
              `${name}: ${track.kind} configuration ${track.config.toString('hex')}, sent ${wanted?.toString('hex')}`,
            );
        }
      }
    }
    return sent ? undefined : new NotApplicable('what the publisher sent is not known');
  }),
  check('H60', 'every part: whole moof + mdat, tfdt version 1, default-base-is-moof, data inside mdat', ({ all }) => {
    for (const { unreadable, name } of all)
      must(unreadable.length === 0, `${name}: ${unreadable.slice(0, 5).join('; ')}`);
    must(
      all.every(({ segments }) => segments.every(({ fragments }) => fragments.length > 0)),
      'a segment without fragments',
    );
  }),
  check('H61', 'tfdt(n+1) = tfdt(n) + sum of durations, exactly, in each track of a run', ({ all }) => {
    for (const { segments, name } of all) {
      for (const run of byRun(segments)) {
        const expected = new Map<number, number>();
        for (const { fragments, msn } of run) {
          for (const { id, baseDts, samples } of fragments.flatMap(({ tracks }) => tracks)) {
            if (samples.length === 0) continue;
            must(
              (expected.get(id) ?? baseDts) === baseDts,
              `${name}: track ${id} in ${msn}: ${baseDts}, expected ${expected.get(id)}`,
            );
            expected.set(id, samples.at(-1)!.dts + samples.at(-1)!.duration);
          }
        }
      }
    }
  }),
  check('H62', 'moof sequence numbers rise by one without gap or repeat', ({ all }) => {
    for (const { segments, name } of all) {
      for (const run of byRun(segments)) {
        const numbers = run.flatMap(({ fragments }) => fragments.map(({ sequence }) => sequence));
        numbers
          .slice(1)
          .forEach(
            (number, index) => void must(number === numbers[index]! + 1, `${name}: ${number} after ${numbers[index]}`),
          );
      }
    }
  }),
  check('H63', 'no zero, negative or > 10 s sample durations; DTS strictly rising', (evidence) => {
    eachFragment(evidence, ({ tracks }, { msn, init }, name) => {
      for (const { id, samples } of tracks) {
        const timescale = init.find((track) => track.id === id)?.timescale;
        must(timescale, `${name}: track ${id} of ${msn} is not in the init`);
        for (const { duration } of samples)
          must(
            duration > 0 && duration <= MAX_SAMPLE_S * timescale,
            `${name}: a sample of ${duration}/${timescale} in ${msn}`,
          );
      }
    });
  }),
  check('H64', 'each segment begins with an IDR and decodes alone without an error', async ({ main, figures }) => {
    if (!hasVideo(main)) return new NotApplicable('no video');
    for (const { msn, fragments, init } of main.segments) {
      const first = samplesOf(fragments, init, 'video')[0];
      must(first?.sync && hasIdr(first.data), `segment ${msn} does not begin with an IDR`);
    }
    // Decoding is what costs: every run's first and last segments, and every fourth of the rest.
    const chosen = main.segments.filter(
      ({ run }, index, all) => index % 4 === 0 || all[index - 1]?.run !== run || all[index + 1]?.run !== run,
    );
    for (const { listed, bytes, msn } of chosen) {
      const errors = await decodingErrors([main.inits.get(main.watch.resolve(listed.map!))!.bytes, bytes!]);
      must(errors === '', `segment ${msn}: ${errors}`);
    }
    figures.set('H64', `${chosen.length} segments decoded alone`);
    return undefined;
  }),
  check('H65', 'frames out = frames in: same bytes, same timing, none lost, none doubled', (evidence) => {
    if (!evidence.sent) return new NotApplicable('what the publisher sent is not known');
    const results = compareRuns(evidence);
    must(
      results.every(({ problems }) => problems.length === 0),
      () => results.flatMap(({ problems }, run) => problems.map((problem) => `run ${run}: ${problem}`)).join('; '),
    );
    // The audio rendition carries the same audio.
    const audioRuns = evidence.audio ? byRun(evidence.audio.segments) : [];
    audioRuns.forEach((run, index) => {
      const only = {
        ...evidence.sent![index]!,
        frames: evidence.sent![index]!.frames.filter(({ kind }) => kind === 'audio'),
      };
      const { problems } = compareFrames(only, { video: null, audio: received(run, 'audio') });
      must(problems.length === 0, `audio rendition, run ${index}: ${problems.join('; ')}`);
    });
    evidence.figures.set(
      'H65',
      results.map(({ counts }) => `${counts.video} video and ${counts.audio} audio frames`).join(', '),
    );
    return undefined;
  }),
  check('H66', "A/V offset within 20 ms of the publisher's", (evidence) => {
    if (!evidence.sent) return new NotApplicable('what the publisher sent is not known');
    const skewMs = Math.max(...compareRuns(evidence).map((result) => result.skewMs));
    evidence.figures.set('H66', `largest ${skewMs.toFixed(2)} ms`);
    must(skewMs <= 20, `${skewMs} ms`);
    return undefined;
  }),
  check('H69', 'no publisher metadata in the boxes', (evidence) => {
    const suspicious = /Lav[fc]\d|encoder|obs-output/i;
    for (const { inits } of evidence.all)
      for (const [url, { bytes }] of inits)
        must(!suspicious.test(bytes.toString('latin1')), `${url} names the encoder`);
    for (const { segments, name } of evidence.all) {
      for (const { bytes, msn } of segments)
        if (bytes)
          must(
            !suspicious.test(bytes.subarray(0, bytes.indexOf('mdat')).toString('latin1')),
            `${name}: the moof of ${msn} names the encoder`,
          );
    }
  }),
];
