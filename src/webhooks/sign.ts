import { createHmac } from 'node:crypto';

/**
 * The headers of Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body, joined by full stops; one signature for each
 * secret (`whsec_` and base64), so that receivers may change theirs at leisure (S80).
 */
export function signatureHeaders(
  event: { readonly id: string; readonly body: string; readonly secrets: readonly string[] },
  nowMs: number,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signed = `${event.id}.${timestamp}.${event.body}`;
  const signatures = event.secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  });
  return { 'webhook-id': event.id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
