// Sends e-mails (invitations, links for a new password) through the operator's mail server. `app.ts` makes it where `smtp_url` is
// set and hands it to `api`; it opens a connection for a mail and keeps it for those that follow, until it is closed.
export { type Mail, Mailer, type MailerOptions } from './mailer.ts';
