/** Hands over each picture of a track, which the caller closes. `video` plays the same track. Returns what ends it. */
export function readPictures(
  track: MediaStreamTrack,
  video: HTMLVideoElement,
  onPicture: (picture: VideoFrame) => void,
): () => void {
  return 'MediaStreamTrackProcessor' in globalThis ? readTrack(track, onPicture) : readVideo(video, onPicture);
}

/** Goes on while the page is in the background. */
function readTrack(track: MediaStreamTrack, onPicture: (picture: VideoFrame) => void): () => void {
  const { readable } = new MediaStreamTrackProcessor({ track });
  const reader = readable.getReader();
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onPicture(value);
    }
  };
  read().catch(() => {});
  return () => void reader.cancel().catch(() => {});
}

/** Browsers that give the track's own pictures to nobody but a worker show them at least. */
function readVideo(video: HTMLVideoElement, onPicture: (picture: VideoFrame) => void): () => void {
  let next = 0;
  const take = () => {
    onPicture(new VideoFrame(video, { timestamp: Math.round(performance.now() * 1000) }));
    next = video.requestVideoFrameCallback(take);
  };
  next = video.requestVideoFrameCallback(take);
  return () => video.cancelVideoFrameCallback(next);
}
