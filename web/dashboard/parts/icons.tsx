import type { ReactNode } from 'react';

/** Outlines on a 24 × 24 grid, drawn with the text's colour. */
const PATHS = {
  live: 'M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4M7.8 7.8a6 6 0 0 0 0 8.4M16.2 7.8a6 6 0 0 1 0 8.4M4.9 4.9a10 10 0 0 0 0 14.2M19.1 4.9a10 10 0 0 1 0 14.2',
  webhooks: 'M4 12h9M9 7l5 5-5 5M18 4v16',
  events: 'M5 6h14M5 12h14M5 18h9',
  usage: 'M5 20V11M12 20V4M19 20v-6',
  members:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 20a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.5a6.5 6.5 0 0 1 3.5 5.5',
  tokens: 'M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12.2 20 4M16.5 7.2l3 3M14 9.5l2 2',
  status: 'M3 12h4l3-8 4 16 3-8h4',
  changelog: 'M12 7v5l3 2M21 12a9 9 0 1 1-3-6.7M21 3v4h-4',
  reference: 'M8 6 3 12l5 6M16 6l5 6-5 6',
  account: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20.5a7.5 7.5 0 0 1 15 0',
  signOut: 'M14 5H6v14h8M11 12h10M18 9l3 3-3 3',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  down: 'M6 9l6 6 6-6',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  eye: 'M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7S2 12 2 12M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6',
  eyeOff:
    'M4 4l16 16M10 5.3A9.8 9.8 0 0 1 12 5c6.5 0 10 7 10 7a17 17 0 0 1-2.6 3.5M6.5 6.6A16 16 0 0 0 2 12s3.5 7 10 7a9.7 9.7 0 0 0 5.3-1.6M10 10a3 3 0 0 0 4 4',
  rotate: 'M20 11a8 8 0 0 0-14.5-3.6L4 9M4 4v5h5M4 13a8 8 0 0 0 14.5 3.6L20 15M20 20v-5h-5',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M20.5 20.5 16 16',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  external: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
  camera: 'M3 7h12v10H3zM15 11l6-4v10l-6-4',
  warning: 'M12 4 2.5 20h19zM12 10v4M12 17h.01',
  back: 'M15 5l-7 7 7 7',
} as const;
export type IconName = keyof typeof PATHS;

export const Icon = ({ name, size = 18 }: { readonly name: IconName; readonly size?: number }): ReactNode => (
  <svg
    className="icon"
    width={size}
    height={size}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.8"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d={PATHS[name]} />
  </svg>
);
