import { pipeThrough } from '../support/child.ts';

/** What ffprobe says of the first video track. */
export async function describeVideo(
  media: readonly Buffer[],
): Promise<{ readonly width: number; readonly height: number }> {
  const { stdout, stderr } = await pipeThrough(
    'ffprobe',
    ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=width,height', '-of', 'json', 'pipe:0'],
    media,
  );
  const stream = (JSON.parse(stdout.toString() || '{}') as { streams?: { width: number; height: number }[] })
    .streams?.[0];
  if (!stream) throw new Error(`ffprobe finds no video: ${stderr}`);
  return stream;
}

/** Decodes everything with ffmpeg; what it complains about, or an empty string. */
export async function decodingErrors(media: readonly Buffer[]): Promise<string> {
  const { code, stderr } = await pipeThrough(
    'ffmpeg',
    ['-v', 'error', '-threads', '1', '-i', 'pipe:0', '-f', 'null', '-'],
    media,
  );
  return code === 0 ? stderr.trim() : `ended with ${code}: ${stderr.trim()}`;
}
