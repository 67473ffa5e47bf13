import { check, must, NotApplicable } from './check.ts';
import { lastPosition, nextPosition } from './delta.ts';
import { byRun, type Evidence, leadTrack, type RenditionEvidence, samplesOf } from './evidence.ts';
import type { MediaPlaylist } from './playlist.ts';
import type { Reload } from './watch.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const lengthS = (playlist: MediaPlaylist): number => sum(playlist.segments.map(({ durationS }) => durationS));

/** Runs `look` over every pair of reloads that follow each other, in every rendition. */
function pairs(evidence: Evidence, look: (before: MediaPlaylist, now: MediaPlaylist, name: string) => void): void {
  for (const { watch, name } of evidence.all)
    watch.reloads.slice(1).forEach(({ playlist }, index) => void look(watch.reloads[index]!.playlist, playlist, name));
}

function everyPlaylist(
  evidence: Evidence,
  look: (playlist: MediaPlaylist, reload: Reload, rendition: RenditionEvidence) => void,
): void {
  for (const rendition of evidence.all)
    for (const reload of rendition.watch.reloads) look(reload.playlist, reload, rendition);
}

const runCount = (evidence: Evidence): number => (evidence.main.segments.at(-1)?.run ?? 0) + 1;
const hasEnded = ({ main }: Evidence): boolean => main.watch.last!.ended;

/** Media playlists in any mode. */
export const mediaPlaylistChecks = [
  check('H12', 'EXT-X-TARGETDURATION is an integer and constant', (evidence) => {
    pairs(evidence, (before, now, name) =>
      must(
        before.targetDurationText === now.targetDurationText,
        `${name}: ${before.targetDurationText} became ${now.targetDurationText}`,
      ),
    );
  }),
  check('H13', 'every EXTINF, rounded, is at most the target, and never over target + 0.5 s', (evidence) => {
    everyPlaylist(evidence, ({ segments, targetDurationS }) => {
      for (const { durationS, uri } of segments)
        must(
          Math.round(durationS) <= targetDurationS && durationS <= targetDurationS + 0.5,
          `${uri}: ${durationS} over ${targetDurationS}`,
        );
    });
  }),
  check('H14', 'the sum of EXTINF stays within a frame of the real duration; 3 decimals at least', (evidence) => {
    const worstMs: Record<string, number> = {};
    for (const { segments, name } of evidence.all) {
      for (const run of byRun(segments)) {
        const track = leadTrack(run[0]!.init);
        must(track, `${name}: no track`);
        let listedS = 0;
        const starts: { readonly listedS: number; readonly realS: number }[] = [];
        let frameS = 0;
        for (const { listed, fragments, init, msn } of run) {
          must(/\.\d{3,}$/.test(listed.durationText), `${name}: EXTINF ${listed.durationText}`);
          const samples = samplesOf(fragments, init, track.kind);
          must(samples.length > 0, `${name}: segment ${msn} has no ${track.kind}`);
          starts.push({ listedS, realS: samples[0]!.dts / track.timescale });
          frameS = Math.max(frameS, ...samples.map(({ duration }) => duration / track.timescale));
          listedS += listed.durationS;
        }
        // The audio beside a video is cut where the video is, and holds what had come by then: its first segment of a run is
        // short by what the encoder sends late, and that is no drift. From the second on the sums must hold.
        const beside =
          name === 'audio' && evidence.main.segments.some(({ init }) => init.some(({ kind }) => kind === 'video'));
        const off = starts.map(
          (start) => (start.listedS - starts[0]!.listedS - (start.realS - starts[0]!.realS)) * 1000,
        );
        const steady = beside ? off.slice(1) : off;
        if (steady.length === 0) continue;
        const spreadMs = Math.max(...steady) - Math.min(...steady);
        worstMs[name] = Math.max(worstMs[name] ?? 0, spreadMs);
        must(
          spreadMs <= frameS * 1000 + 0.001,
          `${name}: EXTINF sums are off by ${spreadMs.toFixed(1)} ms, a frame is ${(frameS * 1000).toFixed(1)} ms`,
        );
        must(
          off.every((ms) => Math.abs(ms) <= 100),
          `${name}: segments begin up to ${Math.max(...off.map(Math.abs)).toFixed(1)} ms from where EXTINF says`,
        );
      }
    }
    evidence.figures.set(
      'H14',
      Object.entries(worstMs)
        .map(([name, ms]) => `${name}: ${ms.toFixed(2)} ms`)
        .join(', '),
    );
  }),
  check('H15', 'EXT-X-VERSION is what the tags need', (evidence) => {
    everyPlaylist(evidence, ({ version, tags }) =>
      must(version >= (tags.has('EXT-X-SKIP') ? 9 : tags.has('EXT-X-MAP') ? 6 : 3), `version ${version}`),
    );
    for (const { watch } of evidence.all)
      for (const { delta } of watch.deltas)
        must(delta.skipped === null || delta.version >= 9, `a delta of version ${delta.version}`);
  }),
  check(
    'H16',
    'MEDIA-SEQUENCE never falls; a URI keeps its number; tags of a published segment never change',
    (evidence) => {
      pairs(evidence, (before, now, name) =>
        must(now.mediaSequence >= before.mediaSequence, `${name}: ${before.mediaSequence} became ${now.mediaSequence}`),
      );
      for (const { watch, name } of evidence.all) {
        const known = new Map<number, string>();
        const numbers = new Map<string, number>();
        for (const { playlist } of watch.reloads) {
          for (const { msn, uri, durationText, discontinuity, map, dateText } of playlist.segments) {
            const tags = JSON.stringify([uri, durationText, discontinuity, map, dateText]);
            must(
              (known.get(msn) ?? tags) === tags,
              () => `${name}: segment ${msn} was ${known.get(msn)} and became ${tags}`,
            );
            must((numbers.get(uri) ?? msn) === msn, `${name}: ${uri} has two numbers`);
            known.set(msn, tags);
            numbers.set(uri, msn);
          }
        }
      }
    },
  ),
  check('H17', 'a segment appears once, a removed one never returns, removal is from the front', (evidence) => {
    everyPlaylist(evidence, ({ segments }, _reload, { name }) =>
      must(new Set(segments.map(({ uri }) => uri)).size === segments.length, `${name}: a URI twice`),
    );
    pairs(evidence, (before, now, name) =>
      must(lastPosition(now).msn >= lastPosition(before).msn, `${name}: the newest segments vanished`),
    );
  }),
  check('H18', 'the window is at least 3 target durations and 6 segments', (evidence) => {
    let removing = false;
    for (const { watch, name } of evidence.all) {
      // A gap that leads in holds no media: its leaving makes no window shorter.
      const first =
        watch.reloads[0]!.playlist.segments.find(({ gap }) => !gap)?.msn ??
        nextPosition(watch.reloads[0]!.playlist).msn;
      for (const { playlist } of watch.reloads.filter((reload) => reload.playlist.mediaSequence > first)) {
        removing = true;
        must(
          lengthS(playlist) >= 3 * playlist.targetDurationS && playlist.segments.length >= 6,
          `${name}: ${playlist.segments.length} segments, ${lengthS(playlist)} s`,
        );
      }
    }
    return removing ? undefined : new NotApplicable('nothing left the window during the watch');
  }),
  check('H19', 'a removed segment stays for its duration and the longest playlist that listed it', ({ all }) => {
    const late = all.flatMap(({ watch }) => watch.late);
    must(
      late.every(({ status }) => status === 200),
      () =>
        late
          .filter(({ status }) => status !== 200)
          .map(({ url, status }) => `${status} ${url}`)
          .join(', '),
    );
    return late.length > 0 ? undefined : new NotApplicable('no removed segment had to stay that long within the watch');
  }),
  check('H20', 'a new segment within 1.5 target durations of the last', ({ all }) => {
    for (const { segments, watch, name } of all) {
      segments.slice(1).forEach((segment, index) => {
        const before = segments[index]!;
        const tookS = (segment.listedAtMs - before.listedAtMs) / 1000;
        must(
          before.run !== segment.run || tookS <= 1.5 * watch.last!.targetDurationS,
          `${name}: segment ${segment.msn} came ${tookS.toFixed(2)} s after the one before`,
        );
      });
    }
  }),
  check('H21', 'PROGRAM-DATE-TIME in ms with a zone; never back; within 100 ms of the EXTINF sum', (evidence) => {
    everyPlaylist(evidence, ({ segments }, _reload, { name }) =>
      must(segments.length === 0 || segments.some(({ dateText }) => dateText !== null), `${name}: no date`),
    );
    let worst = 0;
    for (const { segments, name } of evidence.all) {
      for (const run of byRun(segments)) {
        let expectedMs: number | null = null;
        for (const { listed, msn } of run) {
          if (listed.dateText) {
            must(/\.\d{3}(Z|[+-]\d\d:\d\d)$/.test(listed.dateText), `${name}: ${listed.dateText}`);
            const atMs = Date.parse(listed.dateText);
            expectedMs ??= atMs;
            worst = Math.max(worst, Math.abs(atMs - expectedMs));
            must(Math.abs(atMs - expectedMs) <= 100, `${name}: segment ${msn} is dated ${atMs - expectedMs} ms off`);
          }
          if (expectedMs !== null) expectedMs += listed.durationS * 1000;
        }
      }
      const dates = segments.flatMap(({ listed }) => (listed.dateText ? [Date.parse(listed.dateText)] : []));
      must(
        dates.every((date, index) => index === 0 || date > dates[index - 1]!),
        `${name}: a date goes back`,
      );
    }
    evidence.figures.set('H21', `largest difference ${worst.toFixed(1)} ms`);
  }),
  check('H22', 'EXT-X-MAP before the first segment and after each change', (evidence) => {
    everyPlaylist(evidence, (playlist, _reload, { name }) =>
      must(
        playlist.segments.every(({ map, gap }) => gap || map) && (playlist.openParts.length === 0 || playlist.openMap),
        `${name}: media without EXT-X-MAP`,
      ),
    );
    for (const { segments, inits, watch, name } of evidence.all) {
      segments.slice(1).forEach(({ listed, run }, index) => {
        const before = segments[index]!;
        if (before.run === run || !before.listed.map || !listed.map) return;
        const same = inits
          .get(watch.resolve(before.listed.map))!
          .bytes.equals(inits.get(watch.resolve(listed.map))!.bytes);
        must(same || listed.ownMap, `${name}: the configuration changes at ${listed.msn} without EXT-X-MAP`);
      });
    }
  }),
  check('H23', 'DISCONTINUITY-SEQUENCE is always there and counts what left', (evidence) => {
    everyPlaylist(evidence, ({ discontinuitySequence }, _reload, { name }) =>
      must(discontinuitySequence !== null, `${name}: missing`),
    );
    // hls.js keeps an array by this number and walks it at every reload: a big one takes a whole processor core of each viewer.
    everyPlaylist(evidence, ({ discontinuitySequence }, _reload, { name }) =>
      must(discontinuitySequence! < 100_000, `${name}: ${discontinuitySequence} is too big for players`),
    );
    pairs(evidence, (before, now, name) => {
      const left = before.segments.filter(({ msn, discontinuity }) => msn < now.mediaSequence && discontinuity).length;
      const rose = now.discontinuitySequence! - before.discontinuitySequence!;
      must(rose === left, `${name}: ${left} discontinuities left, the number rose by ${rose}`);
    });
  }),
  check('H24', 'republish: one discontinuity, numbers go on, date re-anchored, no old part, no error', (evidence) => {
    const backs = evidence.marks.filter(({ event }) => event === 'back');
    if (backs.length === 0) return new NotApplicable('the publisher did not come back during the watch');
    for (const { watch, segments, name } of evidence.all) {
      must(
        runCount(evidence) === backs.length + 1,
        `${name}: ${runCount(evidence) - 1} discontinuities for ${backs.length} returns`,
      );
      must(!watch.problems.some((problem) => problem.startsWith('404')), watch.problems.join('; '));
      segments
        .slice(1)
        .forEach(
          (segment, index) =>
            void must(segment.msn === segments[index]!.msn + 1, `${name}: numbers jump to ${segment.msn}`),
        );
      byRun(segments)
        .slice(1)
        .forEach((run, index) => {
          const dateMs = Date.parse(run[0]!.listed.dateText ?? '');
          must(
            Math.abs(dateMs - backs[index]!.wallMs) < 3000,
            `${name}: run ${index + 1} is dated ${dateMs - backs[index]!.wallMs} ms from the return`,
          );
          const earlier = new Set(
            byRun(segments)[index]!.flatMap(({ listed, parts }) => [
              listed.uri,
              ...parts.map((part) => part.listed.uri),
            ]),
          );
          must(
            !run.some(({ parts }) => parts.some((part) => earlier.has(part.listed.uri))),
            `${name}: an old part in a new segment`,
          );
        });
    }
    return undefined;
  }),
  check('H25', 'the same configuration again makes no discontinuity and no new init', (evidence) => {
    if (evidence.repeatedConfigRuns.length === 0) return new NotApplicable('the publisher sent its configuration once');
    for (const { segments, name } of evidence.all) {
      for (const number of evidence.repeatedConfigRuns)
        must(
          new Set(byRun(segments)[number]?.map(({ listed }) => listed.map)).size === 1,
          `${name}: run ${number} has several inits`,
        );
      must(
        runCount(evidence) === evidence.marks.filter(({ event }) => event === 'back').length + 1,
        `${name}: more discontinuities than returns`,
      );
    }
    return undefined;
  }),
  check('H26', 'at the end: the last part flushed into a segment, parts and hints gone, ENDLIST', (evidence) => {
    if (!hasEnded(evidence)) return new NotApplicable('the stream did not end during the watch');
    for (const { watch, name } of evidence.all) {
      const { openParts, hints, ended } = watch.last!;
      must(
        ended && openParts.length === 0 && hints.length === 0,
        `${name}: ${openParts.length} open parts, ${hints.length} hints, ended ${ended}`,
      );
    }
    return undefined;
  }),
  check('H27', 'a drop shorter than the reconnect window never yields ENDLIST', (evidence) => {
    const overAtMs = evidence.marks.findLast(({ event }) => event === 'away')?.atMs;
    if (!evidence.marks.some(({ event }) => event === 'back') || overAtMs === undefined)
      return new NotApplicable('no drop during the watch');
    everyPlaylist(evidence, ({ ended }, { answer }, { name }) =>
      must(!ended || answer.doneAtMs > overAtMs, `${name}: ENDLIST before the last departure`),
    );
    return undefined;
  }),
  check('H29', 'PLAYLIST-TYPE only when it is true', (evidence) => {
    const removes = evidence.all.some(
      ({ watch }) => watch.last!.mediaSequence > watch.reloads[0]!.playlist.mediaSequence,
    );
    everyPlaylist(evidence, ({ playlistType, ended }, _reload, { name }) =>
      must(playlistType === null || (playlistType === 'EVENT' ? !removes : ended), `${name}: ${playlistType}`),
    );
  }),
  check('H30', 'all renditions: same target, same discontinuities, same window start within 1', ({ main, audio }) => {
    if (!audio) return new NotApplicable('one rendition');
    const last = [main.watch.last!, audio.watch.last!] as const;
    must(last[0].targetDurationText === last[1].targetDurationText, 'target durations differ');
    must(
      Math.abs(last[0].mediaSequence - last[1].mediaSequence) <= 1,
      `windows start at ${last[0].mediaSequence} and ${last[1].mediaSequence}`,
    );
    const marked = new Map(main.segments.map(({ msn, listed }) => [msn, listed.discontinuity]));
    for (const { msn, listed } of audio.segments)
      must(
        (marked.get(msn) ?? listed.discontinuity) === listed.discontinuity,
        `segment ${msn} has its discontinuity in one rendition only`,
      );
    return undefined;
  }),
  check('H31', 'nothing that a user wrote reaches a playlist', ({ all, masters, forbiddenWords }) => {
    if (forbiddenWords.length === 0) return new NotApplicable('no such words were given');
    const texts = [...masters, ...all.flatMap(({ watch }) => watch.reloads)].map(({ text }) => text);
    for (const word of forbiddenWords)
      must(!texts.some((text) => text.includes(word)), `a playlist holds ${JSON.stringify(word)}`);
    return undefined;
  }),
  check('H32', 'no absolute internal host, port or file path', ({ all, masters }) => {
    const uris = [
      ...masters.flatMap(({ playlist, answer }) => playlist.variants.map(({ uri }) => [uri, answer.url])),
      ...all.flatMap(({ watch }) =>
        watch.reloads.flatMap(({ playlist }) =>
          [...playlist.segments, ...playlist.openParts, ...playlist.hints, ...playlist.reports].map(({ uri }) => [
            uri,
            watch.url,
          ]),
        ),
      ),
    ] as [string, string][];
    const outside = uris.find(
      ([uri, base]) =>
        new URL(uri, base).origin !== new URL(base).origin || /^file:|^\/(tmp|var|home|data)\b/.test(uri),
    );
    must(!outside, `${outside?.[0]}`);
  }),
];
