// Sends webhooks: claims what is due from the outbox, signs it (Standard Webhooks), posts it, and writes down what became of it. Calls the
// store (`Deliveries`) and `outbound`. `app.ts` starts it after the store, wakes it when a commit wrote deliveries, and
// closes it before the store. What it holds in memory may be lost at any time: the outbox knows.

export { createWebhookSender, type SenderClock, type WebhookSender, type WebhookSenderOptions } from './sender.ts';
export { signatureHeaders } from './sign.ts';
