import { check, must } from './check.ts';
import { describeVideo } from './decoders.ts';
import { type Evidence, type SegmentEvidence, samplesOf } from './evidence.ts';
import type { Variant } from './playlist.ts';

const variantsOf = (evidence: Evidence): readonly Variant[] => evidence.masters.at(-1)!.playlist.variants;
const codecsOf = (variant: Variant): string[] => variant.attributes.get('CODECS')?.slice(1, -1).split(',') ?? [];
const hasVideo = (variant: Variant): boolean => codecsOf(variant).some((codec) => /^(avc1|hvc1|av01|vp09)/.test(codec));
const whole = (evidence: Evidence): SegmentEvidence[] => evidence.main.segments.filter(({ bytes }) => bytes !== null);
const bits = (segments: readonly SegmentEvidence[]): number =>
  segments.reduce((sum, { bytes }) => sum + bytes!.length * 8, 0);
const seconds = (segments: readonly SegmentEvidence[]): number =>
  segments.reduce((sum, { listed }) => sum + listed.durationS, 0);

/** The multivariant playlist. H01 and H02 are enforced by the reader on every playlist of the watch. */
export const multivariantChecks = [
  check('H01', 'header, line ends, UTF-8 without control characters', ({ all, masters }) => {
    must(masters.length > 0, 'no multivariant playlist was read');
    for (const { watch } of all)
      must(!watch.problems.some((problem) => problem.includes('PlaylistError')), watch.problems.join('; '));
  }),
  check('H02', 'never tags of both kinds in one file', ({ all, masters }) => {
    must(
      masters.every(({ playlist }) => playlist.kind === 'multivariant') &&
        all.every(({ watch }) => watch.reloads.every(({ playlist }) => playlist.kind === 'media')),
      'kinds are mixed',
    );
  }),
  check(
    'H03',
    'every variant says BANDWIDTH, AVERAGE-BANDWIDTH, CODECS, and with video RESOLUTION and FRAME-RATE',
    (evidence) => {
      for (const variant of variantsOf(evidence)) {
        const needed = [
          'BANDWIDTH',
          'AVERAGE-BANDWIDTH',
          'CODECS',
          ...(hasVideo(variant) ? ['RESOLUTION', 'FRAME-RATE'] : []),
        ];
        for (const name of needed) must(variant.attributes.has(name), `${variant.uri} has no ${name}`);
      }
    },
  ),
  check('H04', 'measured peak < 125 % of BANDWIDTH, average < 110 % of AVERAGE-BANDWIDTH', (evidence) => {
    const { attributes } = variantsOf(evidence)[0]!;
    const target = evidence.main.watch.last!.targetDurationS;
    const segments = whole(evidence);
    let peak = 0;
    for (let first = 0; first < segments.length; first++) {
      for (let end = first + 1; end <= segments.length; end++) {
        const window = segments.slice(first, end);
        const length = seconds(window);
        if (length > 1.5 * target) break;
        if (length >= 0.5 * target) peak = Math.max(peak, bits(window) / length);
      }
    }
    const average = bits(segments) / seconds(segments);
    const said = { peak: Number(attributes.get('BANDWIDTH')), average: Number(attributes.get('AVERAGE-BANDWIDTH')) };
    evidence.figures.set(
      'H04',
      `peak ${Math.round(peak / 1000)} of ${said.peak / 1000} kbit/s, average ${Math.round(average / 1000)} of ${said.average / 1000} kbit/s`,
    );
    must(peak < 1.25 * said.peak && average < 1.1 * said.average, evidence.figures.get('H04')!);
    must(peak > 0.3 * said.peak, `BANDWIDTH is far above what was measured: ${evidence.figures.get('H04')}`);
  }),
  check('H05', 'CODECS is what the sample entries say', (evidence) => {
    const entries = evidence.main.segments
      .at(-1)!
      .init.map(({ codec }) => codec)
      .sort();
    must(entries.length > 0, 'no sample entry');
    for (const variant of variantsOf(evidence))
      must(
        codecsOf(variant).sort().join() === entries.join(),
        `CODECS ${codecsOf(variant)}, sample entries ${entries}`,
      );
  }),
  check(
    'H06',
    'RESOLUTION is the cropped size, FRAME-RATE within 0.1 % of what is measured, at most 60',
    async (evidence) => {
      for (const variant of variantsOf(evidence).filter(hasVideo)) {
        const last = whole(evidence).at(-1)!;
        const init = evidence.main.inits.get(evidence.main.watch.resolve(last.listed.map!))!;
        const { width, height } = await describeVideo([init.bytes, last.bytes!]);
        must(
          variant.attributes.get('RESOLUTION') === `${width}x${height}`,
          `RESOLUTION ${variant.attributes.get('RESOLUTION')}, decoded ${width}x${height}`,
        );
        const run = evidence.main.segments.filter((segment) => segment.run === last.run);
        const samples = run.flatMap((segment) => samplesOf(segment.fragments, segment.init, 'video'));
        const timescale = last.init.find(({ kind }) => kind === 'video')!.timescale;
        const measured = ((samples.length - 1) * timescale) / (samples.at(-1)!.dts - samples[0]!.dts);
        const said = Number(variant.attributes.get('FRAME-RATE'));
        must(
          Math.abs(said - measured) <= measured * 0.001 && said <= 60,
          `FRAME-RATE ${said}, measured ${measured.toFixed(3)}`,
        );
      }
    },
  ),
  check('H07', 'EXT-X-INDEPENDENT-SEGMENTS in the master or in every media playlist', ({ masters, main }) => {
    must(
      masters.every(({ playlist }) => playlist.independentSegments) ||
        main.watch.reloads.every(({ playlist }) => playlist.independentSegments),
      'nowhere',
    );
  }),
  check('H08', 'no phantom codec, no RESOLUTION without video', (evidence) => {
    const kinds = new Set(evidence.main.segments.at(-1)!.init.map(({ kind }) => kind));
    for (const variant of variantsOf(evidence)) {
      must(
        hasVideo(variant) === kinds.has('video') &&
          codecsOf(variant).some((codec) => codec.startsWith('mp4a')) === kinds.has('audio'),
        `CODECS ${codecsOf(variant)} for ${[...kinds]}`,
      );
      must(
        kinds.has('video') || !(variant.attributes.has('RESOLUTION') || variant.attributes.has('FRAME-RATE')),
        'a picture is promised where there is none',
      );
    }
  }),
  check('H09', 'every group named exists, one DEFAULT at most, LANGUAGE on every rendition', ({ masters }) => {
    for (const { playlist } of masters) {
      const groups = new Set(playlist.media.map((media) => `${media.get('TYPE')} ${media.get('GROUP-ID')}`));
      for (const { attributes } of playlist.variants) {
        for (const type of ['AUDIO', 'VIDEO', 'SUBTITLES'])
          must(
            !attributes.has(type) || groups.has(`${type} ${attributes.get(type)}`),
            `no group ${attributes.get(type)}`,
          );
      }
      for (const group of groups)
        must(
          playlist.media.filter(
            (media) => `${media.get('TYPE')} ${media.get('GROUP-ID')}` === group && media.get('DEFAULT') === 'YES',
          ).length <= 1,
          `two defaults in ${group}`,
        );
      for (const media of playlist.media)
        must(media.get('TYPE') === 'VIDEO' || media.has('LANGUAGE'), 'a rendition without LANGUAGE');
    }
  }),
  check('H10', 'variants have unique URIs and are stable while live', ({ masters }) => {
    // Each reading is a viewer of its own here: what stands in the query is its session, and the variant is the path.
    const uris = masters.map(({ playlist }) => playlist.variants.map(({ uri }) => uri.split('?')[0]));
    must(
      uris.every((list) => new Set(list).size === list.length),
      'a URI twice',
    );
    must(
      new Set(uris.map((list) => list.join(' '))).size === 1,
      `variants changed: ${uris.map((list) => list.join(' ')).join(' | ')}`,
    );
    must(masters.length >= 2, 'read only once');
  }),
];
