import type { ReactNode } from 'react';
import type { Delivery, WebhookEndpoint } from '../../../src/contract/index.ts';
import { Badge, type Tone } from '../parts/badge.tsx';

const TONES: Record<Delivery['state'], Tone> = { pending: 'quiet', retrying: 'warn', delivered: 'good', dead: 'bad' };

export const DeliveryBadge = ({ state }: { readonly state: Delivery['state'] }): ReactNode => (
  <Badge tone={TONES[state]}>{state}</Badge>
);

/** Whether an endpoint is told, and whether that works. */
export function EndpointBadge({ endpoint }: { readonly endpoint: WebhookEndpoint }): ReactNode {
  if (!endpoint.enabled) return <Badge tone="quiet">disabled</Badge>;
  if (endpoint.failing_since) return <Badge tone="bad">failing</Badge>;
  return endpoint.last_delivery ? <Badge tone="good">works</Badge> : <Badge tone="quiet">not tried yet</Badge>;
}
