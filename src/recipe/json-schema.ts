import { z } from 'zod';
import { type Catalogue, recipeSchema } from './schema/recipe.ts';

type Json = Record<string, unknown>;

/**
 * JSON Schema of a recipe as it is written (defaults optional), for editors: put
 * `# yaml-language-server: $schema=recipe.schema.json` on the first line of a recipe. With a catalogue, options of
 * methods and architectures are part of it.
 */
export function recipeJsonSchema(catalogue?: Catalogue): Json {
  const schema = z.toJSONSchema(recipeSchema, { io: 'input', unrepresentable: 'any' }) as Json;
  const properties = schema.properties as Record<string, Json>;
  const methods = Object.values(catalogue?.methods ?? {});
  if (methods.length > 0)
    properties.method = {
      description: properties.method.description,
      oneOf: [
        { enum: methods.map((m) => m.slug) },
        ...methods.map((m) => ({
          type: 'object',
          title: m.meta.title,
          description: m.meta.summary,
          properties: { name: { const: m.slug }, options: options(m.config) },
          required: ['name'],
          additionalProperties: false,
        })),
      ],
    };
  const architectures = Object.entries(catalogue?.architectures ?? {});
  if (architectures.length > 0) {
    const student = properties.student as { allOf?: Json[] };
    student.allOf = architectures.map(([name, entry]) => ({
      if: { properties: { architecture: { const: name } }, required: ['architecture'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { options: options(entry.options) } },
    }));
  }
  return { $schema: schema.$schema, title: 'Decant recipe', ...schema };
}

const options = (schema: z.ZodType): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json;
  return rest;
};
