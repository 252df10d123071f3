#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-2.1-or-later
# `mutation.pl AGENT-FOLDER OUT`: makes OUT/<number>/<file>.c, a source with one undo or one journal
# write taken out, and OUT/<number>/what, which says which. Prints the numbers.
use strict;
use warnings;

my ($agent, $out) = @ARGV;
my $count = 0;
my %undos;

sub contents {
	my ($path) = @_;

	open(my $file, '<', $path) or die "$path: $!\n";
	local $/;
	return <$file>;
}

sub line_at {
	my ($text, $offset) = @_;

	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# One mutant: `$size` characters at `$offset` become `$new`.
sub mutant {
	my ($name, $text, $offset, $size, $new, $what) = @_;
	my $folder = sprintf('%s/%03d', $out, ++$count);

	mkdir($folder) or die "$folder: $!\n";
	my $line = line_at($text, $offset);
	substr($text, $offset, $size) = $new;
	open(my $source, '>', "$folder/$name") or die "$folder/$name: $!\n";
	print $source $text;
	close($source) or die "$folder/$name: $!\n";
	open(my $said, '>', "$folder/what") or die "$folder/what: $!\n";
	print $said "$name:$line: $what\n";
	close($said) or die "$folder/what: $!\n";
	printf("%03d\n", $count);
}

# Each undo in the registry of steps: the second pair of functions of a row.
sub table_undos {
	my $text = contents("$agent/plan_table.c");
	my $pair = qr/(?:SOURCE|TARGET|BOTH)\([^)]*\)|NEITHER/;

	while ($text =~ /^\t\[\w+\]\s*=\s*\{\s*"([\w-]+)",\s*$pair,\s*($pair)/mg) {
		my ($step, $undo, $offset) = ($1, $2, $-[2]);

		next if $undo eq 'NEITHER';
		my @functions = $undo =~ /(\w+)(?=[,)])/g;
		for my $function (@functions) {
			my $without = $undo =~ s/\b$function\b/NULL/r;

			$undos{$function} = 1;
			mutant('plan_table.c', $text, $offset, length($undo), $without,
			       "$step without $function");
		}
	}
}

# Each undo's own work.
sub undo_bodies {
	for my $name (qw(steps_hooks.c steps_source.c steps_target.c steps_copy.c steps_file.c)) {
		my $text = contents("$agent/$name");

		for my $function (sort keys %undos) {
			$text =~ /^int $function\([^)]*\)\n\{\n()/m or next;
			mutant($name, $text, $-[1], 0, "\treturn 0;\n", "$function does nothing");
		}
	}
}

# Each call that writes into the journal, or beside it what recovery reads.
sub journal_writes {
	my $arguments = qr/(\((?:[^()]++|(?1))*\))/;
	my $writer = qr/(?:(?<![\w>])note(?=\(m,)|\bplan_note_never(?=\(m)|\bjob_write_note(?=\(&)|
			   m->journal->ops->(?:append|keep_guest))/x;

	for my $path (sort glob("$agent/*.c")) {
		my $text = contents($path);
		my ($name) = $path =~ m{([^/]+)$};

		while ($text =~ /$writer/g) {
			my $offset = $-[0];
			my $call = substr($text, $offset);

			# BEGIN names the plan for people: recovery reads it in plan.json.
			next if $name eq 'worker.c' && $call =~ /^m->journal/;
			$call =~ /^[\w>-]+$arguments/ or next;
			my $size = $+[0];
			my $what = substr($text, $offset, $size) =~ s/\s+/ /gr;
			mutant($name, $text, $offset, $size, '0', "without $what");
		}
	}
}

table_undos();
undo_bodies();
journal_writes();
die "found no undo or no journal write: has the code changed its form?\n" if $count < 20;
