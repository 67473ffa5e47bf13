import { patience } from '../support/until.ts';
import { hasIdr } from './boxes.ts';
import { check, must, NotApplicable, percentile } from './check.ts';
import { lastPosition, nextPosition } from './delta.ts';
import { type Evidence, samplesOf } from './evidence.ts';
import type { ListedPart, MediaPlaylist } from './playlist.ts';

const EPSILON = 1e-6;

function everyPlaylist(evidence: Evidence, look: (playlist: MediaPlaylist, name: string) => void): void {
  for (const { name, watch } of evidence.all) for (const { playlist } of watch.reloads) look(playlist, name);
}
const total = (items: readonly { readonly durationS: number }[]): number =>
  items.reduce((sum, { durationS }) => sum + durationS, 0);

/** Whether the encoder was sending all through this stretch of the watch, with a second and a half to get going: more on a busy machine, which also marks later what has happened. */
function sending({ marks }: Evidence, fromMs: number, toMs: number): boolean {
  const last = marks.findLast(({ atMs }) => atMs <= toMs + 250 * patience());
  return last === undefined || (last.event === 'back' && last.atMs + 750 * patience() <= fromMs);
}

/** Parts, hints, blocking reload and deltas, as seen over the whole watch. */
export const lowLatencyChecks = [
  check('H33', 'parts come with PART-INF and SERVER-CONTROL', (evidence) => {
    everyPlaylist(evidence, ({ partTargetS, control, ended }, name) => {
      must(
        ended || (partTargetS !== null && control?.canBlockReload && control.partHoldBackS !== null),
        `${name}: PART-TARGET ${partTargetS}, ${JSON.stringify(control)}`,
      );
    });
  }),
  check('H34', 'PART-TARGET and PART-HOLD-BACK never change', (evidence) => {
    for (const { name, watch } of evidence.all) {
      const seen = new Set(
        watch.reloads
          .filter(({ playlist }) => !playlist.ended)
          .map(({ playlist }) => `${playlist.partTargetS} ${playlist.control?.partHoldBackS}`),
      );
      must(seen.size === 1, `${name}: ${[...seen].join(' | ')}`);
    }
  }),
  check('H35', 'no part over PART-TARGET; each but the last of a segment at least 85 % of it', ({ all }) => {
    for (const { name, segments, watch } of all) {
      const target = watch.reloads[0]!.playlist.partTargetS!;
      for (const { msn, parts } of segments) {
        must(parts.length > 0, `${name}: segment ${msn} never had parts`);
        parts.forEach(({ listed }, index) => {
          must(
            listed.durationS <= target + EPSILON,
            `${name}: part ${msn}.${index} of ${listed.durationS} over ${target}`,
          );
          must(
            index === parts.length - 1 || listed.durationS >= 0.85 * target - EPSILON,
            `${name}: part ${msn}.${index} of ${listed.durationS} under 85 % of ${target}`,
          );
        });
      }
    }
  }),
  check('H36', 'PART-HOLD-BACK at least 3 part targets, HOLD-BACK at least 3 target durations', (evidence) => {
    everyPlaylist(evidence, ({ partTargetS, control, targetDurationS, ended }, name) => {
      if (ended || !control || partTargetS === null) return;
      must(control.partHoldBackS! >= 3 * partTargetS - EPSILON, `${name}: PART-HOLD-BACK ${control.partHoldBackS}`);
      must(
        control.holdBackS === null || control.holdBackS >= 3 * targetDurationS - EPSILON,
        `${name}: HOLD-BACK ${control.holdBackS}`,
      );
    });
  }),
  check('H37', 'CAN-SKIP-UNTIL at least 6 target durations', (evidence) => {
    everyPlaylist(evidence, ({ control, targetDurationS }, name) =>
      must(
        !control || control.canSkipUntilS === null || control.canSkipUntilS >= 6 * targetDurationS,
        `${name}: CAN-SKIP-UNTIL ${control?.canSkipUntilS}`,
      ),
    );
    must(
      evidence.main.watch.reloads.some(({ playlist }) => playlist.control?.canSkipUntilS),
      'CAN-SKIP-UNTIL is never offered',
    );
  }),
  check('H38', 'parts stand before their own EXTINF, within the last 3 target durations', (evidence) => {
    everyPlaylist(evidence, ({ segments, openParts, targetDurationS, ended }, name) => {
      let afterS = total(openParts);
      for (const segment of segments.toReversed()) {
        const { msn, parts, durationS, gap } = segment;
        // A part of another segment would show here: the parts of a segment last as long as the segment.
        must(
          parts.length === 0 || Math.abs(total(parts) - durationS) < 0.002 * parts.length,
          `${name}: parts of ${msn} last ${total(parts)}, the segment ${durationS}`,
        );
        must(
          ended || gap || parts.length > 0 || afterS >= 3 * targetDurationS - EPSILON,
          `${name}: the parts of ${msn} are gone ${afterS.toFixed(2)} s from the end`,
        );
        must(
          parts.length === 0 || afterS <= 3 * targetDurationS + EPSILON,
          `${name}: the parts of ${msn} are still listed ${afterS.toFixed(2)} s from the end`,
        );
        afterS += durationS;
      }
    });
  }),
  check('H39', 'the parts of a segment are the segment, byte for byte', ({ all, figures }) => {
    let compared = 0;
    for (const { name, segments } of all) {
      for (const { msn, parts, bytes } of segments) {
        if (!bytes || parts.some((part) => !part.bytes)) continue;
        must(
          Buffer.concat(parts.map((part) => part.bytes!)).equals(bytes),
          `${name}: segment ${msn} differs from its ${parts.length} parts`,
        );
        compared++;
      }
      must(
        compared >= segments.length - 1,
        `${name}: only ${compared} of ${segments.length} segments could be compared`,
      );
      compared = 0;
    }
    figures.set('H39', `${all.reduce((sum, { segments }) => sum + segments.length, 0)} segments compared`);
  }),
  check(
    'H40',
    'INDEPENDENT=YES exactly where a part begins with an IDR; one within 2 target durations of any place',
    ({ main, figures }) => {
      if (!main.segments.some(({ init }) => init.some(({ kind }) => kind === 'video')))
        return new NotApplicable('no video');
      let sinceS = 0;
      let longestS = 0;
      for (const { msn, parts, init, run } of main.segments) {
        parts.forEach(({ listed, fragments }, index) => {
          const first = samplesOf(fragments, init, 'video')[0];
          must(
            listed.independent === (first?.sync === true && hasIdr(first.data)),
            `part ${msn}.${index}: INDEPENDENT ${listed.independent}, begins with an IDR ${first && hasIdr(first.data)}`,
          );
          sinceS = listed.independent ? 0 : sinceS + listed.durationS;
          longestS = Math.max(longestS, sinceS);
        });
        must(
          longestS <= 2 * main.watch.last!.targetDurationS,
          `${longestS} s without an independent part before ${msn} (run ${run})`,
        );
      }
      figures.set('H40', `longest stretch without one ${longestS.toFixed(2)} s`);
      return undefined;
    },
  ),
  check('H41', 'one PRELOAD-HINT of TYPE=PART while live, and it names the part that then appears', (evidence) => {
    for (const { name, watch } of evidence.all) {
      let kept = 0;
      watch.reloads.forEach(({ playlist, answer }, index) => {
        const { hints } = playlist;
        must(
          hints.length <= 1 && hints.every(({ type, uri }) => type === 'PART' && uri),
          `${name}: ${JSON.stringify(hints)}`,
        );
        must(
          hints.length === 1 || playlist.ended || !sending(evidence, answer.askedAtMs, answer.doneAtMs),
          `${name}: no hint while live`,
        );
        const later = watch.reloads[index + 1]?.playlist;
        if (hints.length === 0 || !later) return;
        const { msn, part } = nextPosition(playlist);
        const appeared: ListedPart | undefined =
          nextPosition(later).msn === msn
            ? later.openParts[part]
            : later.segments.find((segment) => segment.msn === msn)?.parts[part];
        // At the end of a segment the hint may name a part that then opens the next one.
        const named =
          appeared ??
          later.segments.find((segment) => segment.msn === msn + 1)?.parts[0] ??
          (nextPosition(later).msn === msn + 1 ? later.openParts[0] : undefined);
        if (!named) return;
        must(named.uri === hints[0]!.uri, `${name}: ${hints[0]!.uri} was promised, ${named.uri} came`);
        kept++;
      });
      must(kept > 3, `${name}: only ${kept} promises could be followed`);
    }
  }),
  check(
    'H42',
    'a hinted part blocks, then comes whole; 404 only when the publisher has left, within 1 s',
    (evidence) => {
      let whole = 0;
      for (const { name, watch } of evidence.all) {
        for (const [url, answer] of watch.hinted) {
          if (answer.status === 200) whole++;
          else {
            const away = evidence.marks.findLast(
              ({ event, atMs }) => event === 'away' && atMs <= answer.doneAtMs + 500,
            );
            must(
              answer.status === 404 && away && answer.doneAtMs - away.atMs < 1000,
              `${name}: ${answer.status} for ${url}${away ? `, ${Math.round(answer.doneAtMs - away.atMs)} ms after the end` : ''}`,
            );
          }
        }
      }
      must(whole > 10, `only ${whole} hinted parts`);
      evidence.figures.set('H42', `${whole} hinted parts came whole`);
    },
  ),
  check('H43', 'the first byte of a hinted part comes within 50 ms of its completion', (evidence) => {
    const delays = evidence.all.flatMap(({ watch }) =>
      [...watch.hinted].flatMap(([url, { status, firstByteAtMs, askedAtMs }]) => {
        const listedAtMs = watch.partListedAtMs.get(url);
        return status === 200 && listedAtMs !== undefined && askedAtMs < listedAtMs
          ? [Math.max(0, firstByteAtMs - listedAtMs)]
          : [];
      }),
    );
    must(delays.length > 10, `only ${delays.length} could be measured`);
    const figure = `median ${percentile(delays, 0.5).toFixed(1)} ms, p99 ${percentile(delays, 0.99).toFixed(1)} ms, against the playlist that lists the part`;
    evidence.figures.set('H43', figure);
    must(percentile(delays, 0.5) <= 50, figure);
  }),
  check('H44', 'RENDITION-REPORT for every other rendition, at most one part stale', (evidence) => {
    const { main, audio, all } = evidence;
    if (!audio) return new NotApplicable('one rendition');
    for (const { name, watch } of all) {
      const other = name === 'main' ? audio : main;
      for (const { playlist } of watch.reloads) {
        const report = playlist.reports.find(
          ({ uri }) => watch.resolve(uri).split('?')[0] === other.watch.url.split('?')[0],
        );
        must(report || playlist.ended, `${name}: no report of ${other.name}`);
        if (!report || playlist.ended) continue;
        const own = lastPosition(playlist);
        const near =
          (report.lastMsn === own.msn && Math.abs((report.lastPart ?? own.part) - own.part) <= 1) ||
          (report.lastMsn === own.msn - 1 && own.part === 0) ||
          (report.lastMsn === own.msn + 1 && report.lastPart === 0);
        must(near, `${name} stands at ${own.msn}.${own.part} and reports ${report.lastMsn}.${report.lastPart}`);
      }
    }
    return undefined;
  }),
  check(
    'H52',
    'every delta, put onto the playlist before, is the full playlist; nothing newer than the boundary is skipped',
    ({ all, figures }) => {
      let equal = 0;
      let skipping = 0;
      for (const { name, watch } of all) {
        for (const { delta, full, why, ...result } of watch.deltas) {
          must(result.equal !== false, `${name}: ${why}`);
          if (result.equal) equal++;
          if (delta.skipped === null) continue;
          skipping++;
          must(
            delta.segments[0]?.dateText || delta.segments.length === 0,
            `${name}: the first kept segment has no date`,
          );
          const fromS = total(delta.segments) + total(delta.openParts);
          must(
            fromS >= full.control!.canSkipUntilS! - 0.002,
            `${name}: a segment ${fromS.toFixed(3)} s from the end is skipped, the boundary is ${full.control!.canSkipUntilS}`,
          );
        }
        must(
          watch.deltas.filter((result) => result.equal === null).length <= watch.deltas.length * 0.2 + 2,
          `${name}: too few deltas could be compared`,
        );
      }
      figures.set('H52', `${equal} deltas compared, ${skipping} skipped something`);
      return skipping > 0 ? undefined : new NotApplicable('the window never reached beyond the skip boundary');
    },
  ),
];
