/** What the contract's source says of its fields: the parsers themselves don't tell. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** The file of src/contract that parses the input of that workflow type. */
export function contractFile(root: string, type: string): string {
  const folder = join(root, 'src/contract');
  const files = readdirSync(folder).map((name) => join(folder, name));
  const file = files.find((path) => readFileSync(path, 'utf8').includes(`inputParser('${type}'`));
  if (file === undefined) throw new Error(`no file of src/contract parses the input of ${type}`);
  return file;
}

/** Paths such as `to.dataDir` and `assertions.counts[].min`, without the fields that every workflow takes. */
export function inputFields(file: string): string[] {
  const source = parse(file);
  const constants = constantsOf(source);
  const fields = constants.get('fields');
  if (fields === undefined) throw new Error(`${file} has no "fields"`);
  return pathsOf(fields, '', constants);
}

/** Members of the type's result, and of the types in the same file that it is made of; not what every result has. */
export function resultFields(file: string): string[] {
  const names: string[] = [];
  for (const statement of parse(file).statements) {
    if (!ts.isTypeAliasDeclaration(statement) || !/(Result|Summary)$/.test(statement.name.text)) continue;
    forEachLiteral(statement.type, (literal) => names.push(...literal.members.flatMap(memberName)));
  }
  return names;
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
}

function constantsOf(source: ts.SourceFile): Map<string, ts.Expression> {
  const constants = new Map<string, ts.Expression>();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (ts.isIdentifier(name) && initializer !== undefined) constants.set(name.text, initializer);
    }
  }
  return constants;
}

/** An object's keys with `prefix` before them; below `objectField`, `listField` and constants of the file too. */
function pathsOf(node: ts.Expression, prefix: string, constants: ReadonlyMap<string, ts.Expression>): string[] {
  if (ts.isObjectLiteralExpression(node)) return node.properties.flatMap((property) => propertyPaths(property, prefix, constants));
  if (ts.isIdentifier(node)) {
    const constant = constants.get(node.text);
    return constant === undefined ? [] : pathsOf(constant, prefix, constants);
  }
  const [argument] = ts.isCallExpression(node) ? node.arguments : [];
  if (argument === undefined || !ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return [];
  return pathsOf(argument, node.expression.text === 'listField' ? `${prefix.slice(0, -1)}[].` : prefix, constants);
}

function propertyPaths(property: ts.ObjectLiteralElementLike, prefix: string, constants: ReadonlyMap<string, ts.Expression>): string[] {
  if (ts.isSpreadAssignment(property)) return pathsOf(property.expression, prefix, constants);
  // What another file has is what every workflow takes.
  if (!ts.isPropertyAssignment(property)) return [];
  const path = `${prefix}${property.name.getText()}`;
  return [path, ...pathsOf(property.initializer, `${path}.`, constants)];
}

function forEachLiteral(node: ts.Node, onLiteral: (literal: ts.TypeLiteralNode) => void): void {
  // A member's own members are the prose's business.
  if (ts.isTypeLiteralNode(node)) return onLiteral(node);
  ts.forEachChild(node, (child) => forEachLiteral(child, onLiteral));
}

function memberName(member: ts.TypeElement): string[] {
  return ts.isPropertySignature(member) ? [member.name.getText()] : [];
}
