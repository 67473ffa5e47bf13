import { environmentName, flagName, KEYS } from './keys.ts';

/** All settings as text for `--help`: flag, environment variable, meaning and default of each. */
export function describeConfig(): string {
  const lines = KEYS.map((key) => {
    const value = key.schema.type === 'integer' ? 'number' : 'text';
    const fallback = key.default ?? key.defaultText;
    return `  ${flagName(key.name)} <${value}>  ${environmentName(key.name)}\n      ${key.description} Default: ${fallback}.`;
  });
  return `  --config <file>  LIVEAPI_CONFIG\n      YAML file with any of these settings. Default: ./config.yml, where it exists.\n${lines.join('\n')}`;
}
