import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
} from '@mantine/core';

/** Red is kept for what is live and what hurts: everything else that can be pressed is ink on paper, or paper on ink. */
const ink: MantineColorsTuple = [
  '#ffffff',
  '#f2f4f8',
  '#dfe3ea',
  '#c5cad6',
  '#a3acbd',
  '#7d8699',
  '#596172',
  '#3a4150',
  '#1b1f2a',
  '#0b0d12',
];

const dark: MantineColorsTuple = [
  '#e8ebf1',
  '#c5cad6',
  '#a3acbd',
  '#7d8699',
  '#2f3645',
  '#262c39',
  '#1c212c',
  '#141821',
  '#0b0d12',
  '#07080b',
];

export const theme = createTheme({
  colors: { ink, dark },
  primaryColor: 'ink',
  primaryShade: { light: 8, dark: 1 },
  autoContrast: true,
  // Which of both texts stands out from ink depends on the scheme; by default that of the light one is taken.
  variantColorResolver(input) {
    const colours = defaultVariantColorsResolver(input);
    const filled = input.variant === 'filled' && (input.color ?? input.theme.primaryColor) === input.theme.primaryColor;
    return filled ? { ...colours, color: 'var(--mantine-primary-color-contrast)' } : colours;
  },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
  headings: { fontWeight: '650' },
  fontSizes: { xs: '12px', sm: '13.5px', md: '15px', lg: '17px', xl: '20px' },
  components: {
    Button: { defaultProps: { size: 'sm' } },
    Paper: { defaultProps: { withBorder: true, radius: 'md' } },
    // Its header is no banner of the page.
    Modal: { defaultProps: { centered: true, attributes: { header: { role: 'none' } } } },
    // On is on, in both schemes; its thumb stays white.
    Switch: { defaultProps: { color: '#1a8a4c' } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
  },
});

/** Soft text that still reads (WCAG AA), and cards that stand out from the ground. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#596172',
    '--mantine-color-placeholder': '#6b7385',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-default-border': '#d9dde5',
    '--ground': '#f5f6f8',
    '--soft-line': '#e6e9ef',
    '--live': '#c7281d',
    '--live-soft': '#fdecea',
    '--good': '#116b3a',
    '--good-soft': '#e3f4ea',
    '--warn': '#855000',
    '--warn-soft': '#fff2d8',
    '--quiet-soft': '#eceff3',
    '--code': '#f2f4f7',
    '--curve': '#2463c9',
    '--curve-soft': '#2463c91c',
  },
  dark: {
    '--mantine-color-dimmed': '#a3acbd',
    '--mantine-color-placeholder': '#8f98aa',
    '--mantine-color-error': '#ff8a80',
    '--mantine-color-default-border': '#2f3645',
    '--ground': '#0b0d12',
    '--soft-line': '#222835',
    '--live': '#ff8177',
    '--live-soft': '#3a1715',
    '--good': '#6fdc9c',
    '--good-soft': '#10301f',
    '--warn': '#ffc766',
    '--warn-soft': '#38290c',
    '--quiet-soft': '#232936',
    '--code': '#0e1117',
    '--curve': '#7fb0ff',
    '--curve-soft': '#7fb0ff22',
  },
});
