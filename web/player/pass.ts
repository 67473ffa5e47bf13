import type { Source } from './source.ts';

/** What a viewer may watch with who had to show something first. */
export interface PassAnswer {
  readonly token: string | null;
  /** Why there is none. */
  readonly code: string | null;
}

const storage = (source: Source) => `liveapi-pass:${source.playbackId}`;

/** The page around this one, where this is an embedded page; null where that is not said. */
function embedder(): string | null {
  if (window.top === window) return null;
  const [nearest] = location.ancestorOrigins ?? [];
  return nearest ?? (document.referrer ? new URL(document.referrer).origin : null);
}

/** Shows the server a password, or on which page this player is. Never rejects. */
export async function askPass(source: Source, password: string | null, token: string | null): Promise<PassAnswer> {
  try {
    const answer = await fetch(`${source.root}/embed/${source.playbackId}/pass`, {
      method: 'POST',
      // As text it needs no question beforehand from pages of other origins.
      body: JSON.stringify({ site: embedder(), ...(password !== null && { password }), ...(token && { token }) }),
      credentials: 'omit',
    });
    const body = (await answer.json()) as { token?: unknown; code?: unknown };
    if (answer.ok && typeof body.token === 'string') return { token: body.token, code: null };
    return { token: null, code: typeof body.code === 'string' ? body.code : 'unavailable' };
  } catch {
    return { token: null, code: 'unavailable' };
  }
}

/** The pass of this tab, so that a reload need not ask again. Where storage is refused there is none. */
export function keptPass(source: Source): string | null {
  try {
    return sessionStorage.getItem(storage(source));
  } catch {
    return null;
  }
}

export function keepPass(source: Source, token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(storage(source));
    else sessionStorage.setItem(storage(source), token);
  } catch {
    // A sandboxed frame keeps nothing.
  }
}

/** The playlist's address with the pass in its path, where the URLs in the playlist carry it on. */
export const withPass = (url: string, token: string): string => {
  const address = new URL(url);
  address.searchParams.delete('token');
  address.pathname = address.pathname.replace(/(?:\/~[\w-]+)?\/(\w+\.m3u8)$/, `/~${token}/$1`);
  return address.href;
};
