#!/usr/bin/env perl
# SPDX-License-Identifier: LGPL-2.1-or-later
# `markdown-to-pod.pl <FILE.md`: prints as POD what our own pages use of Markdown: headings, paragraphs,
# lists, tables, blocks of text, and `code`, **bold**, *emphasis*, [links](…) in a line.
use strict;
use warnings;
use open qw(:std :encoding(UTF-8));

# In a line. POD gives a meaning to < and >.
sub inline {
	my ($text) = @_;
	my $out = '';

	while ($text =~ /\G(?:`([^`]+)`|\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*|\[([^\]]+)\]\([^)]*\)|(.))/gs) {
		my ($kind, $inner) = defined $1 ? ('C', $1) : defined $2 ? ('B', $2) :
			defined $3 ? ('I', $3) : ('', defined $4 ? $4 : $5);

		$inner =~ s/([<>])/$1 eq '<' ? 'E<lt>' : 'E<gt>'/ge;
		$out .= $kind ? "$kind<$inner>" : $inner;
	}
	return $out;
}

sub cells {
	my ($row) = @_;

	$row =~ s/^\s*\|\s*|\s*\|\s*$//g;
	return split(/\s*(?<!\\)\|\s*/, $row, -1);
}

my ($list, $block, $header, $paragraph) = (0, 0, undef, '');

sub end_paragraph {
	print inline($paragraph), "\n\n" if $paragraph ne '';
	$paragraph = '';
}

sub end_list {
	end_paragraph();
	print "=back\n\n" if $list;
	($list, $header) = (0, undef);
}

sub item {
	my ($label, $text) = @_;

	end_paragraph();
	print "=over\n\n" unless $list;
	$list = 1;
	print "=item $label\n\n";
	$paragraph = $text;
}

# A row is an item: its first cell, then the others, by the names of their columns where they have one.
sub row {
	my @cells = cells($_[0]);

	if (!$header) {
		$header = \@cells;
		return;
	}
	return if $_[0] =~ /^[|\s:-]+$/;
	my @rest = map { ($header->[$_] // '') ne '' && $cells[$_] ne '' ? "$header->[$_]: $cells[$_]" :
		$cells[$_] } grep { $cells[$_] ne '' } 1 .. $#cells;
	item("B<" . inline($cells[0] eq "" ? "\x{2026}" : $cells[0]) . ">", join('; ', @rest));
}

while (my $line = <STDIN>) {
	chomp($line);
	if ($line =~ /^```/) {
		end_list() unless $block;
		$block = !$block;
		print "\n" unless $block;
	} elsif ($block) {
		print "    $line\n";
	} elsif ($line =~ /^(#+)\s+(.*)/) {
		end_list();
		printf("=head%d %s\n\n", length($1) < 3 ? 1 : 2, length($1) < 3 ? uc($2) : inline($2));
	} elsif ($line =~ /^\|/) {
		end_paragraph();
		end_list() if $list && !$header;
		row($line);
	} elsif ($line =~ /^[-*]\s+(.*)/) {
		item('*', $1);
	} elsif ($line =~ /^\s*$/) {
		$list ? do { end_paragraph(); $header and end_list() } : end_paragraph();
	} else {
		end_list() if $list && $line !~ /^\s/ && $paragraph eq '';
		$line =~ s/^\s+//;
		$paragraph .= ($paragraph eq '' ? '' : "\n") . $line;
	}
}
end_list();
