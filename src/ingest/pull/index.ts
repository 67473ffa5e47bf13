// Feeds live streams from URLs (`settings.pulling_mode`) instead of encoders: RTMP, HLS, MPEG-TS and FLV in our own code, RTSP and SRT
// by ffmpeg. Called by app (start, close), the API (changed, status, check) and whoever has viewers that wait (wanted); calls live
// (claims a live stream, writes packets), outbound (every connection), and through the PullSource port whoever knows what to pull.
// One `Pull` a live stream from the moment its pulling mode is enabled; one `Attempt` a connection; a `Source` per protocol.
export { Pulls, type PullsOptions } from './manager.ts';
export type { PullTimings } from './pull-timings.ts';
