import type Hls from 'hls.js';

/** hls.js itself: the light build, or all of it. */
export type HlsLibrary = typeof Hls;

/** Each is loaded once; a load that failed is tried again by the next who asks. */
const builds = {
  light: () => import('hls.js/light').then((module) => module.default as HlsLibrary),
  whole: () => import('hls.js').then((module) => module.default as HlsLibrary),
};

/** `whole` costs a viewer a third more, so only streams with several sounds or with captions take it. */
export const loadHls = (whole: boolean): Promise<HlsLibrary> => (whole ? builds.whole() : builds.light());

/**
 * True where hls.js can work. It is asked before `canPlayType`: Chromium answers that with "maybe" and then does not hold the
 * live edge. Known before hls.js has come.
 */
export function hlsEngineWorks(): boolean {
  const { ManagedMediaSource, MediaSource, WebKitMediaSource } = globalThis as {
    ManagedMediaSource?: typeof MediaSource;
    MediaSource?: typeof globalThis.MediaSource;
    WebKitMediaSource?: typeof globalThis.MediaSource;
  };
  const source = MediaSource ?? ManagedMediaSource ?? WebKitMediaSource;
  return ['avc1.42E01E,mp4a.40.2', 'av01.0.01M.08', 'vp09.00.50.08'].some((codecs) =>
    source?.isTypeSupported?.(`video/mp4; codecs="${codecs}"`),
  );
}
