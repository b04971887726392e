// Constants that types are made of.
import ts from 'typescript';

/** The `typeof NAME` in `keyof typeof NAME` and `(typeof NAME)[number]`. */
export function queryIn(type) {
  const isKeys = ts.isTypeOperatorNode(type) && type.operator === ts.SyntaxKind.KeyOfKeyword;
  const of = isKeys ? type.type : ts.isIndexedAccessTypeNode(type) ? type.objectType : type;
  const query = ts.isParenthesizedTypeNode(of) ? of.type : of;
  return ts.isTypeQueryNode(query) ? query : undefined;
}

/** A value without its `as const`. */
export function withoutAs(value) {
  return ts.isAsExpression(value) ? value.expression : value;
}

/** The names in an object, each with its meaning if that is a text. */
export function meaningsOf(object) {
  return object.properties.map(({ name, initializer }) => [
    ts.isStringLiteral(name) ? name.text : name.getText(),
    ts.isStringLiteral(initializer) ? initializer.text : undefined,
  ]);
}
