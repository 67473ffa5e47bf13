const key = 'liveapi-volume';

/** Begins with the volume of last time, and remembers it. Storage is refused in a sandboxed frame: then it is not remembered. */
export function rememberVolume(media: HTMLMediaElement): void {
  media.volume = recall();
  media.addEventListener('volumechange', () => {
    try {
      localStorage.setItem(key, String(media.volume));
    } catch {}
  });
}

function recall(): number {
  try {
    const volume = Number(localStorage.getItem(key) ?? 1);
    return volume > 0 && volume <= 1 ? volume : 1;
  } catch {
    return 1;
  }
}
