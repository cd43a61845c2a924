package columnfile_test

import "testing"

// The scripts have what pg_dump, mysqldump, SQL Server Management Studio and Oracle's SQL Developer write.
const (
	postgres = `--
-- PostgreSQL database dump
--
\restrict abc
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA lending;
CREATE FUNCTION lending.touch() RETURNS trigger LANGUAGE plpgsql AS $_$
begin
  create table lending.not_this (x int);
end; $_$;
CREATE TABLE lending.loan (
    id bigint NOT NULL,
    "Current Balance" numeric(14,2) DEFAULT 0.00 CHECK ("Current Balance" >= 0), -- owed today
    opened timestamp with time zone DEFAULT now() NOT NULL,
    name character varying(40) COLLATE "C",
    tags text[] DEFAULT '{}'::text[],
    kind lending.loan_kind DEFAULT 'a,b)'::lending.loan_kind,
    total numeric GENERATED ALWAYS AS (("Current Balance" * (2)::numeric)) STORED,
    CONSTRAINT loan_check CHECK ((id > 0))
);
COMMENT ON TABLE lending.loan IS 'A table; not a column.';
COMMENT ON COLUMN lending.loan.name IS 'The borrower''s name';
COMMENT ON COLUMN lending.missing.name IS 'Skipped';
CREATE TEMP TABLE scratch (x int);
CREATE UNLOGGED TABLE IF NOT EXISTS copy (LIKE lending.loan INCLUDING ALL);
CREATE TABLE loan_2026 PARTITION OF lending.loan FOR VALUES FROM (1) TO (2);
COPY lending.loan (id, name) FROM stdin;
1	create table lending.row (x int);
\.
ALTER TABLE ONLY lending.loan ADD CONSTRAINT loan_pkey PRIMARY KEY (id);
`
	mysql = "-- MySQL dump 10.13  Distrib 8.0.36\n" +
		"/*!40101 SET NAMES utf8 */;\n" +
		"CREATE DATABASE `shop`;\nUSE `shop`;\n" +
		"DROP TABLE IF EXISTS `customer`;\n" +
		"CREATE TABLE `customer` (\n" +
		"  `id` int unsigned NOT NULL AUTO_INCREMENT COMMENT 'the customer\\'s number',\n" +
		"  `state` enum('new','it''s',\"b\") CHARACTER SET utf8mb4 DEFAULT 'new', # how far\n" +
		"  `key` varchar(10) DEFAULT NULL,\n" +
		"  `at` timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n" +
		"  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`key`),\n  KEY `k` (`state`),\n  KEY `b` USING BTREE (`at`),\n" +
		"  FULLTEXT KEY `f` (`key`),\n" +
		"  CONSTRAINT `c` FOREIGN KEY (`id`) REFERENCES `other` (`id`)\n" +
		") ENGINE=InnoDB COMMENT='a table';\n" +
		"INSERT INTO `customer` VALUES (1,'create table x (y int);\\'');\n" +
		"DELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\n  CREATE TABLE `no` (x int);\nEND$$\nDELIMITER ;\n" +
		"CREATE TABLE other.`wide name` (x double precision, y bit(1));\n"
	sqlServer = "USE [Bank]\nGO\nSET ANSI_NULLS ON\nGO\n" +
		"CREATE TABLE [dbo].[Account](\n" +
		"\t[Id] [int] IDENTITY(1,1) NOT NULL,\n" +
		"\t[Owner Name] [nvarchar](max) NULL,\n" +
		"\t[Balance] [decimal](18, 2) NOT NULL DEFAULT ((0)),\n" +
		"\t[Twice] AS ([Balance]*(2)) PERSISTED,\n" +
		" CONSTRAINT [PK] PRIMARY KEY CLUSTERED ([Id] ASC) WITH (PAD_INDEX = OFF) ON [PRIMARY]\n" +
		") ON [PRIMARY] TEXTIMAGE_ON [PRIMARY]\nGO\n" +
		"CREATE TABLE #scratch (x int)\nGO\n" +
		"CREATE TABLE [audit].[Log](\n\t[At] [datetime2](7) NOT NULL\n)\n" +
		"CREATE TABLE Plain(\n\t[Code] [char](3)\n)\n" +
		"EXEC sys.sp_addextendedproperty @name=N'MS_Description', @value=N'What is owed' , " +
		"@level0type=N'SCHEMA',@level0name=N'dbo', @level1type=N'TABLE',@level1name=N'Account', " +
		"@level2type=N'COLUMN',@level2name=N'Balance'\nGO\n" +
		"CREATE PROCEDURE [dbo].[p] AS\nBEGIN\nSELECT 1\nEND\nGO\n"
	oracle = `PROMPT Creating the table
SET DEFINE OFF
ALTER SESSION SET CURRENT_SCHEMA = LENDING;
CREATE TABLE "LENDING"."LOAN"
   (	"LOAN_ID" NUMBER(12,0) GENERATED ALWAYS AS IDENTITY NOT NULL ENABLE,
	"NAME" VARCHAR2(40 CHAR) DEFAULT ON NULL 'x',
	"RAW_DATA" LONG RAW,
	"TERM" INTERVAL DAY (2) TO SECOND (6),
	"OPENED" TIMESTAMP (6) WITH LOCAL TIME ZONE DEFAULT SYSDATE,
	 SUPPLEMENTAL LOG DATA (ALL) COLUMNS,
	 CONSTRAINT "LOAN_PK" PRIMARY KEY ("LOAN_ID")
  USING INDEX PCTFREE 10  ENABLE
   ) SEGMENT CREATION IMMEDIATE
  TABLESPACE "USERS" ;
COMMENT ON COLUMN LENDING.LOAN.NAME IS 'The borrower';
CREATE GLOBAL TEMPORARY TABLE T (X NUMBER) ON COMMIT DELETE ROWS;
CREATE TABLE PARTY (ID NUMBER(5))
/
`
)

func TestRead_ReadsScripts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"postgres": {postgres, []string{
			"13 x.lending.loan.id bigint",
			"14 x.lending.loan.Current Balance numeric(14,2): owed today",
			"15 x.lending.loan.opened timestamp with time zone",
			"16 x.lending.loan.name character varying(40): The borrower's name",
			"17 x.lending.loan.tags text[]",
			"18 x.lending.loan.kind lending.loan_kind",
			"19 x.lending.loan.total numeric",
			"26 x.public.copy.id bigint",
			"26 x.public.copy.Current Balance numeric(14,2): owed today",
			"26 x.public.copy.opened timestamp with time zone",
			"26 x.public.copy.name character varying(40): The borrower's name",
			"26 x.public.copy.tags text[]",
			"26 x.public.copy.kind lending.loan_kind",
			"26 x.public.copy.total numeric",
		}},
		"mysql": {mysql, []string{
			"7 x.shop.customer.id int unsigned: the customer's number",
			"8 x.shop.customer.state enum('new','it''s',b): how far",
			"9 x.shop.customer.key varchar(10)",
			"10 x.shop.customer.at timestamp",
			"25 x.other.wide name.x double precision",
			"25 x.other.wide name.y bit(1)",
		}},
		"sql server": {sqlServer, []string{
			"6 x.dbo.Account.Id int",
			"7 x.dbo.Account.Owner Name nvarchar(max)",
			"8 x.dbo.Account.Balance decimal(18, 2): What is owed",
			"9 x.dbo.Account.Twice ",
			"16 x.audit.Log.At datetime2(7)",
			"19 x.dbo.Plain.Code char(3)",
		}},
		"oracle": {oracle, []string{
			"5 x.LENDING.LOAN.LOAN_ID NUMBER(12,0)",
			"6 x.LENDING.LOAN.NAME VARCHAR2(40 CHAR): The borrower",
			"7 x.LENDING.LOAN.RAW_DATA LONG RAW",
			"8 x.LENDING.LOAN.TERM INTERVAL DAY(2) TO SECOND(6)",
			"9 x.LENDING.LOAN.OPENED TIMESTAMP(6) WITH LOCAL TIME ZONE",
			"17 x.LENDING.PARTY.ID NUMBER(5)",
		}},
		"current schema": {
			"create table a(x int); set search_path to one, two; create table a(x int);\n" +
				"SET SCHEMA 'three'; create table a(x int); create table four.a(x int)",
			[]string{"1 x.public.a.x int", "1 x.one.a.x int", "2 x.three.a.x int", "2 x.four.a.x int"},
		},
		"names that look like keywords": {
			"create table t (key text, index int, period int, exclude boolean, comment text comment 'c', " +
				"\"primary\" int, date date, type char)",
			[]string{
				"1 x.public.t.key text", "1 x.public.t.index int", "1 x.public.t.period int",
				"1 x.public.t.exclude boolean", "1 x.public.t.comment text: c", "1 x.public.t.primary int",
				"1 x.public.t.date date", "1 x.public.t.type char",
			},
		},
		"remarks": {
			"create table t ( -- the table\n  a int, -- first\n  b int -- second\n  , c int, d int -- fourth\n);",
			[]string{
				"2 x.public.t.a int: first", "3 x.public.t.b int: second", "4 x.public.t.c int",
				"4 x.public.t.d int: fourth",
			},
		},
		"other statements": {
			"insert into x values ('create table no (x int);', $$;$$); create view v as select 1;\n" +
				"create table t (a int); create index i on t (a); select 1",
			[]string{"2 x.public.t.a int"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, c.want, columns(t, "x.sql", c.script))
		})
	}
}

func TestRead_FindsTheTablesOfABatch(t *testing.T) {
	t.Parallel()
	const described = "create table a (b int)\nexec sp_addextendedproperty N'MS_Description', N'owed', N'SCHEMA', " +
		"N'dbo', N'TABLE', N'a', N'COLUMN', N'b'\ncreate table c (d int)\ngo\n"
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"after another statement": {
			"DROP TABLE IF EXISTS dbo.a\nCREATE TABLE dbo.a(b int)\nCREATE TABLE dbo.c(d int)\nGO\n",
			[]string{"2 x.dbo.a.b int", "3 x.dbo.c.d int"},
		},
		"in a condition": {
			"IF NOT EXISTS (SELECT 1 FROM sys.tables WHERE name = 'a')\nBEGIN\nCREATE TABLE a(b int);\n" +
				"CREATE TABLE c(d int)\nEND\nGO\n",
			[]string{"3 x.dbo.a.b int", "4 x.dbo.c.d int"},
		},
		"after a temporary table": {
			"create table #t (x int)\ncreate table a (b int)\ngo", []string{"2 x.dbo.a.b int"},
		},
		"after a description by position": {described, []string{"1 x.dbo.a.b int: owed", "3 x.dbo.c.d int"}},
		"after another call": {
			"create table a (b int)\nexec p 1, 2\nEXECUTE p\ncreate table c (d int)\ngo",
			[]string{"1 x.dbo.a.b int", "4 x.dbo.c.d int"},
		},
		"not in a body": {
			"create procedure p as begin; create table #a (b int); create table no (d int) end\ngo\n" +
				"create or alter trigger t on x for insert as create table no (d int);\ngo\n" +
				"alter function f() returns int as begin create table no (d int) end\ngo\n" +
				"create table a (b int)\ngo",
			[]string{"7 x.dbo.a.b int"},
		},
		"not in parentheses, and not a privilege": {
			"grant create table to somebody\nselect (create table no (x int))\ncreate table a (b int)\ngo",
			[]string{"3 x.dbo.a.b int"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, c.want, columns(t, "x.sql", c.script))
		})
	}
}

func TestRead_NamesTheLineOfWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"nothing":  {"", []string{"0 : the script has no CREATE TABLE"}},
		"no table": {"select 1;", []string{"0 : the script has no CREATE TABLE"}},
		"no name":  {"\ncreate table (x int);", []string{"2 : CREATE TABLE has no name that can be read"}},
		"utf-16":   {"\xff\xfec\x00", []string{"0 : it is UTF-16 text; save it as UTF-8"}},
		"a query": {"create table t as select 1;", []string{
			"1 t: the columns of the table cannot be read; only CREATE TABLE with a list of columns is",
		}},
		"cut off": {"create table t (\n a int,\n b", []string{"3 t: the list of columns has no closing parenthesis"}},
		"a quote": {"create table t (\n a int default 'x\n);", []string{
			"2 : a text, a name or a comment that begins here does not end",
		}},
		"a comment": {"\n\n/* create table", []string{"3 : a text, a name or a comment that begins here does not end"}},
		"no type":   {"create table t (\n a not null);", []string{"2 t.a: the type of the column cannot be read"}},
		"no column": {"create table t (\n 5 int,\n);", []string{
			"2 t: a column must begin with its name", "3 t: the list of columns has an empty element",
		}},
		"an operator": {"create table t (a int + 1);", []string{"1 t.a: the type of the column cannot be read"}},
		"unknown like": {"create table t (like s.other);", []string{
			"1 t: LIKE names a table that the script does not create before",
		}},
		"twice": {"create table t (a int);\ncreate table T (a int);", []string{
			"2 public.T: the script creates the table twice",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			diff(t, c.want, problems(t, "x.sql", c.script))
		})
	}
}
