public class Main{ public static void main(String[] a){ int n=a.length>0?Integer.parseInt(a[0]):1000000; StringBuilder b=new StringBuilder(); long total=0,marks=0;
 for(int i=0;i<n;i++){b.append("x").append(i).append(";");if(b.length()>100000){String t=b.toString();for(int k=0;k<t.length();k++)if(t.charAt(k)=='x')marks++;
  total+=t.length()+t.indexOf("9;")+t.replace("1","one").length();b.setLength(10);}}
 System.out.println(total+" "+marks+" "+b.length());}}
