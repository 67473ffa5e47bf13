import { Counter, Gauge, type Registry } from 'prom-client';

/** What the rooms have counted. `Total` counts since the start and never falls; the rest is as of now. */
export interface Readings {
  readonly rtmpConnections: number;
  readonly publishers: number;
  readonly broadcasts: number;
  readonly broadcastsTotal: number;
  readonly bytesInTotal: number;
  readonly droppedPacketsTotal: number;
  /** Publishes refused and connections turned away, by reason. */
  readonly refusedTotal: Readonly<Record<string, number>>;
  /** Advice that is raised now, by code. */
  readonly advice: Readonly<Record<string, number>>;
  readonly viewers: number;
  readonly bytesOutTotal: number;
  /** Playback requests by kind: multivariant, media, init, segment, part, viewer. */
  readonly playbackRequestsTotal: Readonly<Record<string, number>>;
  readonly playlistsRenderedTotal: number;
  /** Requests that are held until their part exists. */
  readonly waiters: number;
  /** Over RTMP and HTTP-FLV. */
  readonly players: number;
  readonly playerBytesTotal: number;
  readonly playerDroppedFramesTotal: number;
  /** What platforms and players have still to take, and what the next player begins with. */
  readonly feedBytes: number;
  readonly windowBytes: number;
  /** On disk, for viewers who go back. */
  readonly rewindBytes: number;
  readonly rewindWrittenBytesTotal: number;
  /** Segments that could not be kept for them. */
  readonly rewindLostTotal: number;
  /** By state, as platforms show it. */
  readonly pushes: Readonly<Record<string, number>>;
  readonly pushBytesTotal: number;
  readonly pushRetriesTotal: number;
  /** Of `feedBytes`, what delays of platforms hold back. */
  readonly pushDelayBytes: number;
  readonly pulls: Readonly<Record<string, number>>;
  readonly eventsWaiting: number;
  readonly eventsDroppedTotal: number;
}

/** One live stream on air, for operators who want such labels. */
export interface LiveStreamReading {
  readonly liveStreamId: string;
  readonly kbps: number;
  readonly viewers: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Makes the metrics of all rooms' counters; the answer brings them up to date. */
export function addReadings(registry: Registry, read: () => Readings): () => void {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name: `liveapi_${name}`, help, registers });
  const total = (name: string, help: string) => new Counter({ name: `liveapi_${name}_total`, help, registers });
  const set = (counter: Counter, value: number) => {
    counter.reset();
    counter.inc(value);
  };
  const labelled = (counter: Counter, label: string, values: Readonly<Record<string, number>>) => {
    counter.reset();
    for (const [name, value] of Object.entries(values)) counter.inc({ [label]: name }, value);
  };

  const publishers = gauge('publishers', 'Encoders that are publishing.');
  const broadcasts = gauge('broadcasts', 'Live streams on air, those that wait for their encoder included.');
  const broadcastsTotal = total('broadcasts', 'Broadcasts that began.');
  const bytesIn = total('ingest_bytes', 'Bytes that came from encoders that published.');
  const dropped = total('dropped_packets', 'Frames that could not be used or passed on.');
  const refused = new Counter({
    name: 'liveapi_publish_refused_total',
    help: 'Publishes refused and connections turned away, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const advice = new Gauge({
    name: 'liveapi_encoder_advice',
    help: 'Broadcasts with this encoder advice raised.',
    labelNames: ['code'],
    registers,
  });
  const viewers = gauge('viewers', 'Playback sessions.');
  const bytesOut = total('playback_bytes', 'Bytes of playlists and media sent.');
  const requests = new Counter({
    name: 'liveapi_playback_requests_total',
    help: 'Playback requests by what they were for.',
    labelNames: ['kind'],
    registers,
  });
  const rendered = total('playlists_rendered', 'Playlists made; each serves all who ask for it.');
  const waiters = gauge('playback_waiting', 'Playback requests that are held until their part exists.');
  const windowBytes = gauge('window_bytes', 'Media held in memory for viewers.');
  const rewindBytes = gauge('rewind_bytes', 'Media held on disk for viewers who go back.');
  const rewindWritten = total('rewind_written_bytes', 'Bytes written for viewers who go back.');
  const rewindLost = total(
    'rewind_lost_segments',
    'Segments that the disk did not take in time: their rewinds began anew.',
  );
  const players = gauge('players', 'Players over RTMP and HTTP-FLV.');
  const playerBytes = total('player_bytes', 'Bytes sent to players over RTMP and HTTP-FLV.');
  const playerDropped = total('player_dropped_frames', 'Frames that players over RTMP and HTTP-FLV were too slow for.');
  const feedBytes = gauge('feed_bytes', 'Media held in memory for platforms and players.');
  const states = (name: string, help: string) =>
    new Gauge({ name: `liveapi_${name}`, help, labelNames: ['state'], registers });
  const pushes = states('pushes', 'Pushes to platforms by state.');
  const pushBytes = total('push_bytes', 'Bytes sent to platforms.');
  const pushRetries = total('push_retries', 'Attempts to reach a platform again.');
  const pushDelayBytes = gauge('push_delay_bytes', 'Media held in memory for the delays of platforms.');
  const pulls = states('pulls', 'Live streams that are fetched from a URL, by state.');
  const eventsWaiting = gauge('broadcast_events_waiting', 'Events of broadcasts that are not written yet.');
  const eventsDropped = total('broadcast_events_dropped', 'Events of broadcasts that were given up.');
  const connections = gauge('rtmp_connections', 'RTMP and RTMPS connections.');
  return () => {
    const now = read();
    connections.set(now.rtmpConnections);
    publishers.set(now.publishers);
    broadcasts.set(now.broadcasts);
    set(broadcastsTotal, now.broadcastsTotal);
    set(bytesIn, now.bytesInTotal);
    set(dropped, now.droppedPacketsTotal);
    labelled(refused, 'reason', now.refusedTotal);
    for (const [code, count] of Object.entries(now.advice)) advice.set({ code }, count);
    viewers.set(now.viewers);
    set(bytesOut, now.bytesOutTotal);
    labelled(requests, 'kind', now.playbackRequestsTotal);
    set(rendered, now.playlistsRenderedTotal);
    waiters.set(now.waiters);
    windowBytes.set(now.windowBytes);
    rewindBytes.set(now.rewindBytes);
    set(rewindWritten, now.rewindWrittenBytesTotal);
    set(rewindLost, now.rewindLostTotal);
    players.set(now.players);
    set(playerBytes, now.playerBytesTotal);
    set(playerDropped, now.playerDroppedFramesTotal);
    feedBytes.set(now.feedBytes);
    for (const [state, count] of Object.entries(now.pushes)) pushes.set({ state }, count);
    set(pushBytes, now.pushBytesTotal);
    set(pushRetries, now.pushRetriesTotal);
    pushDelayBytes.set(now.pushDelayBytes);
    for (const [state, count] of Object.entries(now.pulls)) pulls.set({ state }, count);
    eventsWaiting.set(now.eventsWaiting);
    set(eventsDropped, now.eventsDroppedTotal);
  };
}

/** Makes series of each live stream on air; the answer brings them up to date. */
export function addLiveStreams(registry: Registry, read: () => Iterable<LiveStreamReading>): () => void {
  const labelNames = ['live_stream'] as const;
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `liveapi_live_stream_${name}`, help, labelNames, registers });
  const viewers = gauge('viewers', 'Playback sessions of a live stream.');
  const bytesIn = gauge('ingest_bytes', 'Bytes of its present broadcast that came in.');
  const bytesOut = gauge('playback_bytes', 'Bytes of its present broadcast that went out.');
  const bitrate = gauge('bitrate_bits', 'Media bits a second of a live stream.');
  return () => {
    for (const metric of [bitrate, viewers, bytesIn, bytesOut]) metric.reset();
    for (const { liveStreamId: live_stream, ...now } of read()) {
      bitrate.set({ live_stream }, now.kbps * 1000);
      viewers.set({ live_stream }, now.viewers);
      bytesIn.set({ live_stream }, now.bytesIn);
      bytesOut.set({ live_stream }, now.bytesOut);
    }
  };
}
