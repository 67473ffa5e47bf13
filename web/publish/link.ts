/** How it stands with the server. `refused` is final until the user does something. */
export type LinkState = 'connecting' | 'live' | 'waiting' | 'refused' | 'closed';

export interface LinkEvents {
  /** `message` is for the user. */
  state(state: LinkState, message: string): void;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;
const ANSWER_MS = 20_000;
/** What waits in the socket for longer is as good as lost: the connection is made anew. */
const STUCK_MS = 10_000;
const TICK_MS = 500;
/** Refusals that may be over in a moment. Another publisher may be our own last connection, of which the server does not know yet. */
const PASSING = new Set(['unchecked', 'already_live', 'too_many']);
/** Ends of what was accepted that a new attempt cannot change. */
const FINAL: Readonly<Record<string, string>> = {
  disabled: 'The live stream was disabled.',
  deleted: 'The live stream was deleted.',
  key_rotated: 'The stream key was changed: copy the new one from the live stream.',
  taken_over: 'Another encoder has taken over.',
  protocol_error: 'The server did not understand what this page sent: reload it.',
};

/** The connection to the server: begins again by itself until it is refused or closed. */
export class Link {
  readonly #url: string;
  readonly #key: string;
  readonly #events: LinkEvents;
  #socket: WebSocket | null = null;
  #state: LinkState = 'connecting';
  #wasLive = false;
  #attempt = 0;
  #retry = 0;
  #answerBy = 0;
  #bufferedBefore = 0;
  #stuckSince = 0;
  readonly #timer: number;

  constructor(url: string, key: string, events: LinkEvents) {
    this.#url = url;
    this.#key = key;
    this.#events = events;
    this.#timer = window.setInterval(() => this.#look(), TICK_MS);
    this.#connect();
  }

  get live(): boolean {
    return this.#state === 'live';
  }

  /** Bytes that the network has not taken yet. */
  get waiting(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(message: ArrayBuffer): void {
    if (this.live) this.#socket?.send(message);
  }

  /** The user stops: the server is told so. */
  close(): void {
    window.clearInterval(this.#timer);
    window.clearTimeout(this.#retry);
    this.#leave(1000);
    this.#enter('closed', '');
  }

  #connect(): void {
    this.#enter('connecting', this.#wasLive ? 'Connecting again…' : 'Connecting…');
    this.#answerBy = performance.now() + ANSWER_MS;
    this.#stuckSince = 0;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send(JSON.stringify({ type: 'publish', key: this.#key }));
    socket.onmessage = ({ data }) => this.#onMessage(JSON.parse(String(data)) as Record<string, string>);
    socket.onclose = () => this.#lost('The connection is lost.');
  }

  #onMessage({ type, reason = '', message = '' }: Record<string, string>): void {
    if (type === 'accepted') {
      this.#wasLive = true;
      this.#attempt = 0;
      this.#enter('live', 'You are live.');
    } else if (type === 'ended' && FINAL[reason]) this.#refused(FINAL[reason]);
    else if (type === 'refused') {
      const passing = PASSING.has(reason) && (this.#wasLive || reason !== 'already_live');
      if (passing) this.#lost(message);
      else this.#refused(message);
    }
  }

  #refused(message: string): void {
    window.clearInterval(this.#timer);
    this.#leave();
    this.#enter('refused', message);
  }

  #lost(why: string): void {
    this.#leave();
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt++) * (0.75 + Math.random() / 2);
    this.#enter('waiting', `${why} Trying again in ${Math.ceil(wait / 1000)} s.`);
    this.#retry = window.setTimeout(() => this.#connect(), wait);
  }

  #leave(code?: number): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #look(): void {
    const now = performance.now();
    if (this.#state === 'connecting' && now > this.#answerBy) this.#lost('The server does not answer.');
    if (!this.live) return;
    const { waiting } = this;
    if (waiting === 0 || waiting < this.#bufferedBefore) this.#stuckSince = 0;
    else this.#stuckSince ||= now;
    this.#bufferedBefore = waiting;
    if (this.#stuckSince > 0 && now - this.#stuckSince > STUCK_MS) this.#lost('The network takes nothing any more.');
  }

  #enter(state: LinkState, message: string): void {
    this.#state = state;
    this.#events.state(state, message);
  }
}
