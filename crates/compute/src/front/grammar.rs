//! The grammar: the generic one, which reads `coalesce(a = b, c)` and trailing commas as people
//! mean them, plus what it lacks.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax,
    OneOrManyWithParens, UnaryOperator,
};
use datafusion::sql::sqlparser::dialect::{Dialect as Grammar, GenericDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::tree::call;

/// How tightly the signs of JSON bind: above arithmetic, below casts.
const ARROW: u8 = 45;

/// The one grammar of all dialects.
#[derive(Debug)]
pub(crate) struct FrontGrammar(GenericDialect);

impl FrontGrammar {
    pub(crate) fn new() -> Self {
        Self(GenericDialect {})
    }
}

macro_rules! yes {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { true })* };
}

impl Grammar for FrontGrammar {
    // The parser asks for the generic dialect by type in places that have no method.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '$' || ch == '_'
    }

    fn supports_trailing_commas(&self) -> bool {
        false
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let sign = match &parser.peek_token_ref().token {
            Token::Word(word) if word.keyword == Keyword::LAMBDA => {
                return parser.maybe_parse(lambda).transpose();
            }
            Token::LBracket => return parser.maybe_parse(comprehension).transpose(),
            Token::PGSquareRoot => UnaryOperator::PGSquareRoot,
            Token::PGCubeRoot => UnaryOperator::PGCubeRoot,
            Token::AtSign => UnaryOperator::PGAbs,
            _ => return None,
        };
        parser.next_token();
        let inner = parser.parse_subexpr(self.prec_value(Precedence::PlusMinus));
        Some(inner.map(|inner| Expr::UnaryOp { op: sign, expr: Box::new(inner) }))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let op = match &parser.peek_token_ref().token {
            Token::Sharp => BinaryOperator::PGBitwiseXor,
            Token::Question => BinaryOperator::Question,
            Token::Placeholder(sign) if sign == "?" => BinaryOperator::Question,
            _ => return None,
        };
        parser.next_token();
        let right = parser.parse_subexpr(precedence);
        let left = Box::new(left.clone());
        Some(right.map(|right| Expr::BinaryOp { left, op, right: Box::new(right) }))
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            // The generic grammar lets a comparison bind tighter: `j ->> 'a' = 'x'`.
            Token::Arrow
            | Token::LongArrow
            | Token::HashArrow
            | Token::HashLongArrow
            | Token::AtArrow
            | Token::ArrowAt
            | Token::Sharp
            | Token::Question => Some(Ok(ARROW)),
            Token::Placeholder(sign) if sign == "?" => Some(Ok(ARROW)),
            _ => None,
        }
    }

    yes! {
        supports_unicode_string_literal
        supports_group_by_expr
        supports_group_by_with_modifier
        supports_left_associative_joins_without_parens
        supports_window_function_null_treatment_arg
        supports_window_clause_named_window_reference
        supports_dictionary_syntax
        support_map_literal_syntax
        supports_select_wildcard_except
        supports_select_wildcard_exclude
        supports_select_wildcard_replace
        supports_select_wildcard_rename
        supports_select_wildcard_ilike
        allow_extract_custom
        allow_extract_single_quotes
        supports_extract_comma_syntax
        supports_parens_around_table_factor
        supports_values_as_table_factor
        supports_limit_comma
        supports_from_first_select
        supports_projection_trailing_commas
        supports_from_trailing_commas
        supports_bitwise_shift_operators
        supports_named_fn_args_with_assignment_operator
        supports_named_fn_args_with_rarrow_operator
        supports_struct_literal
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_array_typedef_with_brackets
        supports_filter_during_aggregation
        supports_within_after_array_aggregation
        supports_numeric_literal_underscores
        supports_order_by_all
        supports_notnull_operator
        supports_in_empty_list
        supports_interval_options
        supports_partition_by_after_order_by
        supports_string_literal_concatenation_with_newline
        supports_try_convert
        supports_comma_separated_trim
        supports_constraint_keyword_without_name
    }
}

fn parameter(name: Ident) -> LambdaFunctionParameter {
    LambdaFunctionParameter { name, data_type: None }
}

/// `lambda x, y: body`
fn lambda(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.next_token();
    let mut names = parser.parse_comma_separated(|parser| parser.parse_identifier())?;
    parser.expect_token(&Token::Colon)?;
    let body = parser.parse_expr()?;
    let params = match names.len() {
        1 => OneOrManyWithParens::One(parameter(names.remove(0))),
        _ => OneOrManyWithParens::Many(names.into_iter().map(parameter).collect()),
    };
    let body = Box::new(body);
    Ok(Expr::Lambda(LambdaFunction { params, body, syntax: LambdaSyntax::LambdaKeyword }))
}

/// `[body for x in list if condition]` filters first, then transforms.
fn comprehension(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LBracket)?;
    let body = parser.parse_expr()?;
    if !parser.parse_keyword(Keyword::FOR) {
        return Err(ParserError::ParserError("no comprehension".to_owned()));
    }
    let name = parser.parse_identifier()?;
    parser.expect_keyword(Keyword::IN)?;
    let mut list = parser.parse_expr()?;
    let over = |body: Expr| {
        let params = OneOrManyWithParens::One(parameter(name.clone()));
        let (body, syntax) = (Box::new(body), LambdaSyntax::LambdaKeyword);
        Expr::Lambda(LambdaFunction { params, body, syntax })
    };
    if parser.parse_keyword(Keyword::IF) {
        let condition = parser.parse_expr()?;
        list = call("list_filter", vec![list, over(condition)]);
    }
    parser.expect_token(&Token::RBracket)?;
    Ok(call("list_transform", vec![list, over(body)]))
}
