// "Go live from the browser": camera, screen and microphone, encoded by the browser (WebCodecs) and sent over a WebSocket. One entry,
// which knows nothing of the page around it; the wire format is the server's src/ingest/browser/frame.ts.
export { type MountedPublisher, mountPublisher, type PublisherOptions } from './mount.ts';
