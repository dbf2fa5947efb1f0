//go:build linux

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// changer collects the mutants of a function. Whatever a mutant leaves out is
// still there to the compiler, behind a condition that is never true: a
// variable or an import that is no longer used would be an error.
type changer struct {
	pkg    *pkg
	source *source
	name   string // of the function
	out    []*mutant
}

// function walks through a function with the nodes above each node.
func (c *changer) function(f *ast.FuncDecl) {
	ast.PreorderStack(f.Body, []ast.Node{f}, func(n ast.Node, above []ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			c.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				c.add("negate", n.Pos(), edit{c.at(n.OpPos), c.at(n.OpPos) + 1, ""})
			}
		case *ast.Ident:
			c.constant(n)
		case *ast.IncDecStmt:
			c.operator(n.TokPos, n.Tok)
		case *ast.AssignStmt:
			c.operator(n.TokPos, n.Tok)
		case *ast.IfStmt:
			c.condition(n.Cond, true)
		case *ast.ForStmt:
			if n.Cond != nil {
				c.condition(n.Cond, false)
			}
		case *ast.SwitchStmt:
			c.cases(n)
		case *ast.TypeSwitchStmt:
			c.skipCases(n.Body)
		case *ast.SelectStmt:
			c.skipCases(n.Body)
		case *ast.BlockStmt:
			if !alone(n, above) {
				c.removeEach(n.List)
			}
		case *ast.CaseClause:
			c.removeEach(n.Body)
		case *ast.CommClause:
			c.removeEach(n.Body)
		case *ast.ReturnStmt:
			c.returned(n, c.signature(above))
		}
		return true
	})
}

func (c *changer) at(p token.Pos) int { return c.pkg.fset.Position(p).Offset }

// code returns the source of a node.
func (c *changer) code(n ast.Node) string {
	return string(c.source.text[c.at(n.Pos()):c.at(n.End())])
}

func (c *changer) add(kind string, at token.Pos, edits ...edit) {
	c.out = append(c.out, &mutant{
		pkg: c.pkg, source: c.source, fn: c.name, kind: kind,
		line: c.pkg.fset.Position(at).Line, edits: edits,
	})
}

// wrap puts text before and after a node.
func (c *changer) wrap(kind string, n ast.Node, before, after string) {
	from, to := c.at(n.Pos()), c.at(n.End())
	c.add(kind, n.Pos(), edit{from, from, before}, edit{to, to, after})
}

// swaps has what takes the place of an operator.
var swaps = map[token.Token][]token.Token{
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LSS: {token.LEQ, token.GEQ}, token.GEQ: {token.GTR, token.LSS},
	token.GTR: {token.GEQ, token.LEQ}, token.LEQ: {token.LSS, token.GTR},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
	token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
	token.AND: {token.OR}, token.OR: {token.AND}, token.AND_NOT: {token.AND},
	token.SHL: {token.SHR}, token.SHR: {token.SHL},
	token.ADD_ASSIGN: {token.SUB_ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN},
	token.MUL_ASSIGN: {token.QUO_ASSIGN}, token.QUO_ASSIGN: {token.MUL_ASSIGN},
	token.AND_ASSIGN: {token.OR_ASSIGN}, token.OR_ASSIGN: {token.AND_ASSIGN},
	token.INC: {token.DEC}, token.DEC: {token.INC},
}

// operator swaps an operator for others.
func (c *changer) operator(at token.Pos, op token.Token) {
	for _, other := range swaps[op] {
		c.add("swap", at, edit{c.at(at), c.at(at) + len(op.String()), other.String()})
	}
}

// binary swaps the operator, and drops one operand of a conjunction.
func (c *changer) binary(b *ast.BinaryExpr) {
	if b.Op == token.ADD && !c.is(b, types.IsNumeric) {
		return
	}
	c.operator(b.OpPos, b.Op)
	switch b.Op {
	case token.LAND:
		c.wrap("drop", b.X, "(true || ", ")")
		c.wrap("drop", b.Y, "(true || ", ")")
	case token.LOR:
		c.wrap("drop", b.X, "(false && (", "))")
		c.wrap("drop", b.Y, "(false && (", "))")
	}
}

// is reports whether an expression is of a basic type of that kind.
func (c *changer) is(e ast.Expr, info types.BasicInfo) bool {
	t := c.pkg.info.Types[e].Type
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&info != 0
}

// constant swaps true and false.
func (c *changer) constant(id *ast.Ident) {
	object := c.pkg.info.Uses[id]
	for _, name := range []string{"true", "false"} {
		if object != nil && object == types.Universe.Lookup(name) {
			other := map[string]string{"true": "false", "false": "true"}[name]
			c.add("swap", id.Pos(), edit{c.at(id.Pos()), c.at(id.End()), other})
		}
	}
}

// condition negates a condition, and makes it always or never true. It does not
// make loops that never end.
func (c *changer) condition(e ast.Expr, always bool) {
	if !negated(e) && always {
		c.wrap("negate", e, "!(", ")")
	}
	if always {
		c.wrap("always", e, "true || ", "")
	}
	c.wrap("never", e, "false && (", ")")
}

// negated reports whether another change negates a condition already.
func negated(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	case *ast.BinaryExpr:
		switch e.Op {
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			return true
		}
	}
	return false
}

// cases makes the conditions of a switch always or never true. Where cases are
// values they are dropped, or their statements skipped.
func (c *changer) cases(s *ast.SwitchStmt) {
	if s.Tag != nil {
		c.skipCases(s.Body)
		return
	}
	for _, stmt := range s.Body.List {
		clause := stmt.(*ast.CaseClause)
		for _, e := range clause.List {
			c.condition(e, true)
		}
		if clause.List == nil {
			c.skip(clause, clause.Colon, clause.Body)
		}
	}
}

func (c *changer) skipCases(body *ast.BlockStmt) {
	for _, stmt := range body.List {
		switch clause := stmt.(type) {
		case *ast.CaseClause:
			c.skip(clause, clause.Colon, clause.Body)
		case *ast.CommClause:
			c.skip(clause, clause.Colon, clause.Body)
		}
	}
}

// skip leaves a case before its first statement.
func (c *changer) skip(clause ast.Node, colon token.Pos, body []ast.Stmt) {
	if len(body) == 0 {
		return
	}
	if branch, ok := body[0].(*ast.BranchStmt); ok && branch.Tok == token.BREAK && branch.Label == nil {
		return
	}
	after := c.at(colon) + 1
	c.add("skip", clause.Pos(), edit{after, after, " if true { break };"})
}

// alone reports whether a block is the only branch of an if and has one
// statement: to remove that is to make the condition never true.
func alone(block *ast.BlockStmt, above []ast.Node) bool {
	parent, ok := above[len(above)-1].(*ast.IfStmt)
	return ok && parent.Body == block && parent.Else == nil && len(block.List) == 1
}

// removeEach removes statements, one in each mutant.
func (c *changer) removeEach(list []ast.Stmt) {
	for _, stmt := range list {
		switch s := stmt.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || blank(s.Lhs) {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt, *ast.ReturnStmt:
		default:
			continue
		}
		c.wrap("remove", stmt, "if false { ", " }")
	}
}

func blank(list []ast.Expr) bool {
	for _, e := range list {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// signature returns that of the innermost function.
func (c *changer) signature(above []ast.Node) *types.Signature {
	for i := len(above) - 1; i >= 0; i-- {
		var t types.Type
		switch f := above[i].(type) {
		case *ast.FuncLit:
			t = c.pkg.info.Types[f].Type
		case *ast.FuncDecl:
			t = c.pkg.info.Defs[f.Name].Type()
		default:
			continue
		}
		if s, ok := t.(*types.Signature); ok {
			return s
		}
	}
	return types.NewSignatureType(nil, nil, nil, nil, nil, false)
}

// returned returns other values: nil in place of an error or a slice, zero, and
// the opposite of a boolean.
func (c *changer) returned(r *ast.ReturnStmt, s *types.Signature) {
	switch n := s.Results().Len(); {
	case len(r.Results) == 0:
	case len(r.Results) != n:
		c.returnedCall(r, s)
	default:
		for i, e := range r.Results {
			c.returnedValue(r, e, s.Results().At(i).Type())
		}
	}
}

func (c *changer) returnedValue(r *ast.ReturnStmt, e ast.Expr, t types.Type) {
	value := c.pkg.info.Types[e]
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&types.IsBoolean != 0 {
		if !negated(e) && value.Value == nil {
			c.wrap("negate", e, "!(", ")")
		}
		return
	}
	zero := zeroOf(t)
	if zero == "" || value.IsNil() || value.Value != nil && value.Value.ExactString() == zero {
		return
	}
	from := c.at(r.Pos())
	c.add("return", e.Pos(),
		edit{from, from, "_ = " + c.code(e) + "; "},
		edit{c.at(e.Pos()), c.at(e.End()), zero})
}

// returnedCall changes one of several values that a call returns.
func (c *changer) returnedCall(r *ast.ReturnStmt, s *types.Signature) {
	n := s.Results().Len()
	for i := range n {
		zero := zeroOf(s.Results().At(i).Type())
		if zero == "" {
			continue
		}
		names, values := make([]string, n), make([]string, n)
		for j := range n {
			names[j] = fmt.Sprintf("mutant%d", j)
			values[j] = names[j]
		}
		values[i] = zero
		from, call := c.at(r.Pos()), c.at(r.Results[0].Pos())
		end := c.at(r.End())
		c.add("return", r.Pos(),
			edit{from, call, strings.Join(names, ", ") + " := "},
			edit{end, end, "; _ = " + names[i] + "; return " + strings.Join(values, ", ")})
	}
}

// zeroOf returns the zero value of a type that is to be returned; empty if it
// is not worth while, as with pointers, whose user panics.
func zeroOf(t types.Type) string {
	if types.Identical(t, types.Universe.Lookup("error").Type()) {
		return "nil"
	}
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return "nil"
	case *types.Basic:
		switch {
		case u.Info()&types.IsNumeric != 0:
			return "0"
		case u.Info()&types.IsString != 0:
			return `""`
		}
	}
	return ""
}
