declare module '*?worker&url' {
  const url: string;
  export default url;
}

/** As Chromium has it in pages (the draft of 2021); others give it to workers only. */
declare class MediaStreamTrackProcessor {
  constructor(init: { readonly track: MediaStreamTrack });
  readonly readable: ReadableStream<VideoFrame>;
}
